//! The simulation keeps its own promises: runs repeat, promises hold on a few seeds (`.ci/run` does many), and a network
//! that breaks them is caught.

use zmq_core::options::ZmtpVersion;
use zmq_sim::{Class, Guard, Plan, Report, Shape, run};

const SEEDS: std::ops::Range<u64> = 0..60;

#[test]
fn promises_hold_and_runs_repeat() {
    let (mut shapes, mut classes, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for seed in SEEDS {
        let plan = Plan::of(seed);
        let first = run(&plan, false).unwrap_or_else(|failure| panic!("{failure}"));
        let second = run(&plan, false).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(first, second, "seed {seed} does not repeat itself");
        assert!(first.received > 0, "seed {seed}: nothing happened");
        assert!(first.faults == 0 || plan.class != Class::Stable, "seed {seed} is not stable");
        shapes.push(plan.shape);
        classes.push(plan.class);
        others.push((plan.guard, plan.version, plan.leaps));
    }
    for shape in [Shape::Pipeline, Shape::Publish, Shape::Request, Shape::Echo, Shape::Pair] {
        assert!(shapes.contains(&shape), "no seed is {shape:?}");
    }
    for class in [Class::Stable, Class::Breaking, Class::Corrupting] {
        assert!(classes.contains(&class), "no seed is {class:?}");
    }
    for wanted in [Guard::Open, Guard::Password, Guard::Key] {
        assert!(others.iter().any(|(guard, ..)| *guard == wanted), "no seed is {wanted:?}");
    }
    for wanted in [ZmtpVersion::V1_0, ZmtpVersion::V2_0, ZmtpVersion::V3_0, ZmtpVersion::V3_1] {
        assert!(others.iter().any(|(_, version, _)| *version == wanted), "no seed is {wanted:?}");
    }
    assert!(others.iter().any(|(.., leaps)| *leaps), "the clock never leaps");
}

/// Runs the first few of 10 000 plans that are so.
fn runs_where(what: &str, wanted: impl Fn(&Plan) -> bool) -> Vec<Report> {
    let plans: Vec<Plan> = (0..10_000).map(Plan::of).filter(wanted).take(5).collect();
    assert_eq!(plans.len(), 5, "{what}");
    plans.iter().map(|plan| run(plan, false).unwrap_or_else(|failure| panic!("{what}: {failure}"))).collect()
}

#[test]
fn old_peers_connect_and_are_connected_to() {
    for version in [ZmtpVersion::V1_0, ZmtpVersion::V2_0] {
        for old_binds in [false, true] {
            let what = format!("a PAIR of {version}, which binds: {old_binds}");
            let is_one =
                |plan: &Plan| (plan.shape, plan.version, plan.old_binds) == (Shape::Pair, version, old_binds);
            for report in runs_where(&what, is_one) {
                assert!(report.received > 0 && report.bytes > 0, "{what}: {report:?}");
            }
        }
    }
}

#[test]
fn sockets_of_one_context_are_joined_in_their_process() {
    let of = |inproc| move |plan: &Plan| plan.inproc == inproc && plan.version == ZmtpVersion::V3_1;
    for report in runs_where("all in the process", of(100)) {
        assert!(report.received > 0 && report.bytes == 0, "{report:?}");
    }
    assert!(runs_where("some in the process", of(30)).iter().any(|report| report.bytes > 0));
}

#[test]
fn different_seeds_are_different_runs() {
    let digest = |seed| run(&Plan::of(seed), false).unwrap_or_else(|failure| panic!("{failure}")).digest;
    assert_ne!(digest(0), digest(1));
}

/// Does something to a stable network that should not be done to it, and expects that most runs notice: not all, as it
/// may hit where next to nothing is said.
fn assert_caught(shape: Shape, sabotage: impl Fn(&mut Plan)) {
    let plans = (0..200).map(Plan::of).filter(|plan| plan.class == Class::Stable && plan.shape == shape);
    let (mut count, mut failures) = (0, Vec::new());
    for mut plan in plans.take(8) {
        sabotage(&mut plan);
        count += 1;
        if let Err(failure) = run(&plan, false) {
            let replay = format!("replay: cargo run --release -p zmq-sim -- --seed {}", plan.seed);
            assert!(failure.to_string().ends_with(&replay), "{failure}");
            failures.push(failure.seed);
        }
    }
    assert_eq!(count, 8);
    assert!(failures.len() >= count / 2, "only {failures:?} noticed");
}

#[test]
fn a_reset_on_a_stable_network_is_caught() {
    for shape in [Shape::Pipeline, Shape::Echo, Shape::Pair] {
        assert_caught(shape, |plan| plan.conditions.reset_at = Some(400..500));
    }
}

#[test]
fn a_changed_byte_on_a_stable_network_is_caught() {
    for shape in [Shape::Pipeline, Shape::Publish, Shape::Request] {
        assert_caught(shape, |plan| plan.conditions.corrupt_at = Some(400..500));
    }
}
