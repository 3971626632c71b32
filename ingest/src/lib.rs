//! Bytes in, event batches out.
