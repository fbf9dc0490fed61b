mod claude;
mod git;
mod podman;
mod secret;
