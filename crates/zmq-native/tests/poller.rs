//! One thread that waits for many things: sockets, with and without peers, that come and go, and descriptors.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use support::*;
use zmq::{Error, Poller};

/// The keys of what is readable.
fn keys(poller: &mut Poller, timeout: Duration) -> Vec<usize> {
    poller.wait(Some(timeout)).unwrap().iter().map(|event| event.key()).collect()
}

#[test]
fn a_hundred_sockets_in_one_poller() {
    const SOCKETS: usize = 100;
    const EACH: u32 = 50;
    for wild in ENDPOINTS {
        let context = context();
        let mut poller = Poller::new().unwrap();
        let (mut pulls, mut pushes) = (Vec::new(), Vec::new());
        for key in 0..SOCKETS {
            let mut pull = zmq::Pull::new_in(&context).unwrap();
            let bound = pull.bind_to(wild).unwrap();
            poller.add(&mut pull, key).unwrap();
            pulls.push(pull);
            pushes.push(zmq::Push::builder_in(&context).connect(bound).unwrap());
        }
        let sender = std::thread::spawn(move || {
            for number in 0..EACH {
                // Each round in another order: 37 and the number of sockets have no divisor in common.
                for index in 0..SOCKETS {
                    pushes[(index * 37 + number as usize) % SOCKETS].send(number.to_be_bytes()).unwrap();
                }
                // Now and then the poller has to sleep.
                if number % 10 == 0 {
                    std::thread::sleep(ms(3));
                }
            }
            pushes
        });
        let mut next = [0; SOCKETS];
        while next.iter().sum::<u32>() < SOCKETS as u32 * EACH {
            let ready = keys(&mut poller, LONG);
            assert!(!ready.is_empty(), "{wild}: something is stranded: {next:?}");
            for key in ready {
                assert_eq!(
                    pulls[key].try_recv().unwrap()[0],
                    next[key].to_be_bytes(),
                    "{wild}, socket {key}"
                );
                next[key] += 1;
            }
        }
        assert_eq!(next, [EACH; SOCKETS]);
        assert!(keys(&mut poller, ms(10)).is_empty());
        drop(sender.join().unwrap());
    }
}

#[test]
fn a_socket_may_get_its_endpoints_later() {
    for wild in ENDPOINTS {
        let context = context();
        let mut poller = Poller::new().unwrap();
        let mut bound = zmq::Pull::new_in(&context).unwrap();
        let mut connected = zmq::Pull::new_in(&context).unwrap();
        poller.add(&mut bound, 0).unwrap();
        poller.add(&mut connected, 1).unwrap();
        assert!(keys(&mut poller, ms(5)).is_empty());

        let endpoint = bound.bind_to(wild).unwrap();
        let mut push = zmq::Push::builder_in(&context).connect(endpoint).unwrap();
        push.send("to the bound one").unwrap();
        assert_eq!(keys(&mut poller, LONG), [0], "{wild}");
        assert_eq!(bound.try_recv().unwrap(), "to the bound one".into());

        let mut other = zmq::Push::new_in(&context).unwrap();
        connected.connect_to(other.bind_to(wild).unwrap()).unwrap();
        // The handshake is made by the thread that waits here, if it is not over yet.
        let sender = std::thread::spawn(move || {
            other.send("to the connected one").unwrap();
            other
        });
        assert_eq!(keys(&mut poller, LONG), [1], "{wild}");
        assert_eq!(connected.try_recv().unwrap(), "to the connected one".into());
        drop(sender.join().unwrap());
    }
}

/// The thread that makes the endpoint is not the one that waits already.
#[test]
fn a_poller_that_waits_hears_of_a_new_endpoint() {
    for wild in ENDPOINTS {
        let context = context();
        let mut poller = Poller::new().unwrap();
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        poller.add(&mut pull, 0).unwrap();
        let waiting = std::thread::spawn(move || keys(&mut poller, LONG));
        std::thread::sleep(ms(5));
        let mut push = zmq::Push::builder_in(&context).connect(pull.bind_to(wild).unwrap()).unwrap();
        push.send("x").unwrap();
        assert_eq!(bounded("the wait", move || waiting.join().unwrap()), [0], "{wild}");
        assert_eq!(pull.try_recv().unwrap(), "x".into());
    }
}

#[test]
fn a_socket_that_is_dropped_is_not_held_by_the_poller() {
    for wild in ENDPOINTS {
        let (context, elsewhere) = (context(), context());
        let mut kept = zmq::Pull::new_in(&elsewhere).unwrap();
        let mut dropped = zmq::Pull::new_in(&context).unwrap();
        let endpoint = dropped.bind_to(wild).unwrap();
        let mut push = zmq::Push::builder_in(&context).connect(&endpoint).unwrap();
        push.send("x").unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&mut dropped, 0).unwrap();
        poller.add(&mut kept, 1).unwrap();
        assert_eq!(keys(&mut poller, LONG), [0], "{wild}");

        let waiting = std::thread::spawn(move || {
            let ready = keys(&mut poller, LONG);
            (poller, ready)
        });
        drop(dropped);
        drop(push);
        bounded("the end of the context", move || drop(context));
        // The wait goes on for the other socket, if it has not ended with the message of the one that is gone.
        let mut push = zmq::Push::builder_in(&elsewhere).connect(kept.bind_to(wild).unwrap()).unwrap();
        push.send("y").unwrap();
        let (mut poller, ready) = bounded("the wait", move || waiting.join().unwrap());
        let ready = if ready == [0] { keys(&mut poller, LONG) } else { ready };
        assert_eq!(ready, [1], "{wild}");
        assert_eq!(kept.try_recv().unwrap(), "y".into());
        assert!(poller.remove(0), "its key is kept until it is removed");
        assert!(keys(&mut poller, ms(5)).is_empty());
    }
}

#[test]
fn the_end_of_a_context_ends_the_wait_for_the_sockets_of_another() {
    let (ends, stays) = (context(), context());
    let (mut one, mut other) = (zmq::Pull::new_in(&ends).unwrap(), zmq::Pull::new_in(&stays).unwrap());
    one.bind_to("tcp://127.0.0.1:*").unwrap();
    other.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut poller = Poller::new().unwrap();
    poller.add(&mut one, 0).unwrap();
    poller.add(&mut other, 1).unwrap();
    let waiting = std::thread::spawn(move || {
        let error = poller.wait(None).unwrap_err();
        (poller, error)
    });
    ends.shutdown();
    let (mut poller, error) = bounded("the wait", move || waiting.join().unwrap());
    assert_eq!(error, Error::Terminated);
    assert!(poller.remove(0));
    assert!(keys(&mut poller, ms(5)).is_empty());
}

/// Neither kind starves the other, and no byte and no message is reported once too often.
#[test]
fn descriptors_beside_sockets() {
    const EACH: usize = 2000;
    for wild in ENDPOINTS {
        let context = context();
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        let mut push = zmq::Push::builder_in(&context).connect(pull.bind_to(wild).unwrap()).unwrap();
        let (mut write, mut read) = UnixStream::pair().unwrap();
        read.set_nonblocking(true).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&mut pull, 0).unwrap();
        poller.add_fd(&read, 1).unwrap();
        let sender = std::thread::spawn(move || {
            for number in 0..EACH {
                push.send("x").unwrap();
                write.write_all(b"x").unwrap();
                if number % 200 == 0 {
                    std::thread::sleep(ms(2));
                }
            }
            (push, write)
        });
        let (mut messages, mut bytes) = (0, 0);
        while messages < EACH || bytes < EACH {
            let ready = keys(&mut poller, LONG);
            assert!(!ready.is_empty(), "{wild}: stranded after {messages} messages and {bytes} bytes");
            for key in ready {
                // One at a time: the rest must be reported again.
                if key == 0 {
                    pull.try_recv().unwrap();
                    messages += 1;
                } else {
                    read.read_exact(&mut [0]).unwrap();
                    bytes += 1;
                }
            }
        }
        assert_eq!((messages, bytes), (EACH, EACH));
        drop(sender.join().unwrap());
    }
}

/// The poller may report what the other thread has taken meanwhile, but nothing may be left lying.
#[test]
fn one_thread_waits_in_the_poller_and_another_receives() {
    const COUNT: u32 = 3000;
    for wild in ENDPOINTS {
        let context = context();
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        let mut control = zmq::Pull::new_in(&context).unwrap();
        let mut push = zmq::Push::builder_in(&context).connect(pull.bind_to(wild).unwrap()).unwrap();
        let mut order = zmq::Push::builder_in(&context).connect(control.bind_to(wild).unwrap()).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&mut pull, 0).unwrap();
        poller.add(&mut control, 1).unwrap();
        let waiting = std::thread::spawn(move || {
            loop {
                let ready = keys(&mut poller, LONG);
                assert!(!ready.is_empty(), "the order to end never came");
                if ready.contains(&1) {
                    return (poller, control);
                }
                // It is the other thread that takes it.
                std::thread::yield_now();
            }
        });
        let receiving = std::thread::spawn(move || {
            for number in 0..COUNT {
                assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
            }
            pull
        });
        for number in 0..COUNT {
            push.send(number.to_be_bytes()).unwrap();
            if number % 100 == 0 {
                std::thread::sleep(ms(2));
            }
        }
        let mut pull = bounded("receiving beside a poller", move || receiving.join().unwrap());
        order.send("end").unwrap();
        let (mut poller, mut control) = bounded("polling beside a receiver", move || waiting.join().unwrap());
        assert_eq!(control.try_recv().unwrap(), "end".into());
        // With the other thread away everything is the poller's again.
        push.send("last").unwrap();
        assert_eq!(keys(&mut poller, LONG), [0], "{wild}");
        assert_eq!(pull.try_recv().unwrap(), "last".into());
    }
}
