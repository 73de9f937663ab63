//! Which I/O threads work for a socket.

mod support;

use support::*;
use zmq::security::{Authenticator, Claim};

#[test]
fn a_socket_asks_for_threads_that_exist() {
    let context = zmq::context_builder().io_threads(2).build().unwrap();
    let bind = |affinity: u64| zmq::Pull::builder_in(&context).affinity(affinity).bind("tcp://127.0.0.1:0");
    let sockets: Vec<_> = [0b01, 0b10, 0b11, 0].map(bind).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(sockets.len(), 4);
    let error = bind(0b100).map(drop).unwrap_err().to_string();
    assert!(error.contains("affinity") && error.contains("2 I/O threads"), "{error}");
}

/// Peers are judged where the input and output is done, as long as the application stays away.
#[test]
fn the_threads_that_were_asked_for_do_the_work() {
    let context = zmq::context_builder().io_threads(2).thread_name("worker").build().unwrap();
    // The threads start with the first sockets; these are where nobody asked.
    let _others: Vec<_> = (0..3).map(|_| zmq::Pull::builder_in(&context).bind("tcp://127.0.0.1:*")).collect();
    let worker_of = |affinity: u64| {
        let (say, said) = std::sync::mpsc::channel();
        let judge = move |_: &Claim| {
            let _ = say.send(std::thread::current().name().map(str::to_owned));
            true
        };
        let mut pull = zmq::Pull::builder_in(&context)
            .affinity(affinity)
            .authenticator(Authenticator::new(judge))
            .build()
            .unwrap();
        let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
        let _peer = Raw::peer(&bound, "PUSH");
        said.recv_timeout(LONG).unwrap().unwrap()
    };
    let (first, second) = (worker_of(0b01), worker_of(0b10));
    assert!(
        first != second && first.starts_with("worker") && second.starts_with("worker"),
        "{first} {second}"
    );
    for _ in 0..5 {
        assert_eq!((worker_of(0b01), worker_of(0b10)), (first.clone(), second.clone()));
        let either = worker_of(0b11);
        assert!(either == first || either == second, "{either}");
    }
}
