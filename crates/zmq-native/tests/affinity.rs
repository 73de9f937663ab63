//! Which I/O threads work for a socket.

#[test]
fn a_socket_asks_for_threads_that_exist() {
    let context = zmq::context_builder().io_threads(2).build().unwrap();
    let bind = |affinity: u64| zmq::Pull::builder_in(&context).affinity(affinity).bind("tcp://127.0.0.1:0");
    let sockets: Vec<_> = [0b01, 0b10, 0b11, 0].map(bind).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(sockets.len(), 4);
    let error = bind(0b100).map(drop).unwrap_err().to_string();
    assert!(error.contains("affinity") && error.contains("2 I/O threads"), "{error}");
}
