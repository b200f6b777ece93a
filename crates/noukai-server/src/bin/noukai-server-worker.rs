//! A worker of code blocks on its own, as the tests of this crate start it; the command starts itself as one.

use std::{alloc::System, process::ExitCode};

use noukai_server::Metered;

#[global_allocator]
static ALLOCATOR: Metered<System> = Metered::new(System);

fn main() -> ExitCode {
    noukai_server::worker_main()
}
