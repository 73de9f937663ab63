//! A receiver that does not keep up is no reason to take its sender for dead.

use std::time::Duration;

#[test]
fn heartbeats_bear_a_receiver_that_is_full() {
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
        let beat = Some(Duration::from_millis(20));
        let mut pull = zmq::Pull::builder().recv_hwm(1usize).heartbeat_interval(beat).bind(endpoint).unwrap();
        let mut push = zmq::Push::connect(pull.last_endpoint().unwrap()).unwrap();
        const COUNT: u32 = 2000;
        for number in 0..COUNT / 2 {
            push.send(number.to_be_bytes()).unwrap();
        }
        assert_eq!(pull.recv_timeout(Duration::from_secs(10)).unwrap()[0], 0u32.to_be_bytes());
        // Many intervals pass with the pipe full and bytes waiting behind it.
        std::thread::sleep(Duration::from_millis(300));
        for number in COUNT / 2..COUNT {
            push.send(number.to_be_bytes()).unwrap();
            let due = number - COUNT / 2 + 1;
            assert_eq!(
                pull.recv_timeout(Duration::from_secs(10)).unwrap()[0],
                due.to_be_bytes(),
                "{endpoint}"
            );
        }
        for number in COUNT / 2 + 1..COUNT {
            assert_eq!(
                pull.recv_timeout(Duration::from_secs(10)).unwrap()[0],
                number.to_be_bytes(),
                "{endpoint}"
            );
        }
        assert_eq!((pull.stats().connections, pull.stats().dropped.total()), (1, 0));
    }
}
