//! Raft: consensus on a log, as a pure state machine.
