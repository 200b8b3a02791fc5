//! Values that are wrong, and an Azure that does not answer: what the first log lines, readiness and status say.
