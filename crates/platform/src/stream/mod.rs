//! JetStream: the service's own stream, durable consumers of the others', dead letters.

pub mod consumer;
pub mod dead_letter;
pub mod names;
pub mod provision;
pub mod subscription;
