//! How fast ARM may be asked.
