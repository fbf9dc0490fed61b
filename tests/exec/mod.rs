mod interrupt;
mod program;
