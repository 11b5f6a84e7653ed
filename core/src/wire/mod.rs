//! What crosses a link: frames, messages and their bytes.

pub mod codec;
pub mod frame;
pub mod message;
