//! NULL in a ZAP domain, PLAIN and CURVE against libzmq: by way of pyzmq in another process, which `ZMQ_INTEROP_PYTHON`
//! names, and by way of the crate `zmq`, whose libzmq is built without CURVE, in this one.

mod process;
mod pyzmq;
mod zmq_crate;
