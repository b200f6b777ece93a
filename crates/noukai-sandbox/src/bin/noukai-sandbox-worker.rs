//! A worker on its own, as the tests and benchmarks of this crate start it; a server starts itself as one.

use std::process::ExitCode;

fn main() -> ExitCode {
    noukai_sandbox::worker_main()
}
