//! The program `relevo`: the orchestrator and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    relevo::cli::main()
}
