//! Frames through a [`Seal`], without an allocation for a small one and without a copy of a large one.

use super::decoder::Body;
use super::error::ProtocolError;
use super::mechanism::{Kind, Seal};
use crate::message::Frame;
use bytes::{Buf, Bytes};

/// Bodies up to this are opened on the stack: what fits into a [`Frame`] without allocation, and more.
const ON_STACK: usize = 256;

/// Opens the body of a frame: what it is, and its content.
pub(super) fn open(seal: &mut dyn Seal, body: Body<'_>) -> Result<(Kind, Frame), ProtocolError> {
    match body {
        Body::Borrowed(bytes) if bytes.len() <= ON_STACK => open_small(seal, bytes),
        body => open_large(seal, body.into_owned()),
    }
}

fn open_small(seal: &mut dyn Seal, bytes: &[u8]) -> Result<(Kind, Frame), ProtocolError> {
    let mut window = [0; ON_STACK];
    let body = window.get_mut(..bytes.len()).unwrap_or_default();
    body.copy_from_slice(bytes);
    let kind = seal.open(body)?;
    Ok((kind, Frame::copy_from(body.get(seal.overhead()..).unwrap_or_default())))
}

fn open_large(seal: &mut dyn Seal, mut body: Vec<u8>) -> Result<(Kind, Frame), ProtocolError> {
    let kind = seal.open(&mut body)?;
    let mut content = Bytes::from(body);
    content.advance(seal.overhead().min(content.len()));
    Ok((kind, Frame::from(content)))
}
