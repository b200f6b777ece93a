//! A worker on its own, as the tests and benchmarks of this crate start it; a server starts itself as one.

use std::process::ExitCode;

use noukai_alloc::Mimalloc;
use noukai_sandbox::Metered;

#[global_allocator]
static ALLOCATOR: Metered<Mimalloc> = Metered::new(Mimalloc);

fn main() -> ExitCode {
    noukai_sandbox::worker_main()
}
