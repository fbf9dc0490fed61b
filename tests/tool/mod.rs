mod claude;
mod git;
mod podman;
mod secret;
mod sign_in;
mod source;
mod token;
