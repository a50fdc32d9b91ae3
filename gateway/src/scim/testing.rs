//! Properties of many random values.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// Checks a property of so many values, which are the same in every run; what fails is shown as small as it can be.
#[track_caller]
pub fn for_each_of<S: Strategy>(cases: u32, values: &S, holds: impl Fn(S::Value) -> TestCaseResult) {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::with_cases(cases)
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(values, holds) {
        panic!("{failure}");
    }
}
