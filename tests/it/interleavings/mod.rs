//! Any order of sign-ins, logouts, replays, deadlines and crashes, against a model of what must be
//! alive: no session is both ended and alive, no request is executed twice or answered in two ways,
//! no ended session comes back, and after Success all that the request named is dead.
//!
//! `SIGNOFF_TEST_INTERLEAVINGS` is the number of stories; each has [`STEPS`] steps.

mod model;
mod step;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use step::{Step, step};
use world::World;

const CASES: u32 = 60;
const STEPS: usize = 25;

/// A story with its own people; what stays of those before it is only in the way.
fn tell(cases: u32) -> u32 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let world = std::cell::RefCell::new(world);
    let config = Config { cases, max_shrink_iters: 150, failure_persistence: None, ..Config::default() };
    // The same stories each time, and others when more are asked for.
    let mut seed = [0x51; 32];
    seed[..4].copy_from_slice(&cases.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let told = runner.run(&proptest::collection::vec(step(), STEPS), |steps: Vec<Step>| {
        runtime.block_on(world.borrow_mut().story(&steps));
        Ok(())
    });
    if let Err(error) = told {
        panic!("{error}");
    }
    let world = world.into_inner();
    let counted = world.seen();
    runtime.block_on(world.done());
    counted
}

#[test]
fn any_order_of_events_keeps_the_promises() {
    let cases = std::env::var("SIGNOFF_TEST_INTERLEAVINGS").ok().and_then(|text| text.parse().ok());
    let seen = tell(cases.unwrap_or(CASES));
    // The stories were not about nothing.
    assert!(seen >= cases.unwrap_or(CASES), "only {seen} sessions were ended");
}
