//! The list of all requests that were received, in order. What tests count reads and writes with.

use serde::Serialize;

/// Which of the simulated servers was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Server {
    #[default]
    Arm,
    Login,
    DownloadPage,
    /// Managed identities.
    Metadata,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    pub at: String,
    /// `appid` of the token, and `/` and the `x-armsim-client` header where there is one; `anonymous` without a token.
    pub client: String,
    pub method: String,
    /// Path and query.
    pub url: String,
    /// 0 where a fault cut the connection before anything was done; otherwise what was decided, even if a fault kept
    /// the client from hearing it.
    pub status: u16,
    pub correlation_id: String,
    pub server: Server,
}
