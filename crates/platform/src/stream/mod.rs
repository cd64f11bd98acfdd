//! JetStream: the streams, the durable consumers and the dead letters of a service.

pub mod consumer;
pub mod dead_letter;
mod group;
pub mod names;
pub mod provision;
pub mod subscription;
