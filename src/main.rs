//! Parses the command line, calls [`usher::cli`], turns its answer into an exit code. Knows nothing else.

fn main() {}
