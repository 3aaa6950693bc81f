//! What a call through the layers costs, beside what the peers' layers cost.
//!
//! The subjects and what is made of their figures; the programs that measure stand beside this folder. Nothing
//! here can flatter: every batch of calls checks each answer, and by a counter in the inner service that the work
//! was done (or, where a layer refuses, that it was not).

pub mod call;
pub mod end_to_end;
pub mod environment;
pub mod goals;
pub mod handover;
pub mod inner;
pub mod measure;
pub mod peers;
pub mod report;
pub mod results;
pub mod scale;
pub mod subject;
pub mod subjects;
pub mod table;
