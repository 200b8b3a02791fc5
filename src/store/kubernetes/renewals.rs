//! Renewals as they pass: a layer of the client that only the lease is asked with.
//!
//! `LeaderElection` tells nobody how its requests end. Must not change a request or an answer.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use jiff::Timestamp;
use kube::client::Body;
use tower::{Layer, Service};

use crate::metrics::Metrics;

/// Tells of every request that takes or renews the lease.
#[derive(Debug, Clone)]
pub(super) struct Renewals(pub(super) Metrics);

/// A service below which requests are looked at.
#[derive(Debug, Clone)]
pub(super) struct Looked<S> {
    below: S,
    metrics: Metrics,
}

impl<S> Layer<S> for Renewals {
    type Service = Looked<S>;

    fn layer(&self, below: S) -> Looked<S> {
        Looked { below, metrics: self.0.clone() }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It takes or renews.
    Write,
    /// It looks before it does.
    Read,
    /// It only asks whether it would be allowed.
    Trial,
}

fn purpose(method: &Method, query: &str) -> Purpose {
    match *method {
        _ if query.contains("dryRun") => Purpose::Trial,
        Method::GET => Purpose::Read,
        _ => Purpose::Write,
    }
}

impl<S, B> Service<Request<Body>> for Looked<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.below.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let purpose = purpose(request.method(), request.uri().query().unwrap_or_default());
        let (metrics, answer) = (self.metrics.clone(), self.below.call(request));
        async move {
            let answer = answer.await;
            let is_good = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
            match purpose {
                Purpose::Write => metrics.lease_renewed(is_good, Timestamp::now()),
                // A leader that cannot look cannot renew; whoever does not lead has nothing to renew.
                Purpose::Read if !is_good && metrics.is_leading() => metrics.lease_renewed(false, Timestamp::now()),
                Purpose::Read | Purpose::Trial => {}
            }
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn counts(is_leading: bool, requests: &[(Method, &str, u16)]) -> [usize; 2] {
        let metrics = Metrics::default();
        let _leading = is_leading.then(|| metrics.lead());
        for (method, query, status) in requests {
            let request = Request::builder().method(method).uri(format!("/leases/a{query}"));
            let mut looked = Renewals(metrics.clone()).layer(Answering(*status));
            looked.call(request.body(Body::empty()).unwrap()).await.unwrap();
        }
        let text = String::from_utf8(metrics.text().to_vec()).unwrap();
        ["Renewed", "Failed"].map(|result| {
            let line = format!("amlnet_lease_renewals_total{{result=\"{result}\"}} ");
            text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
        })
    }

    #[derive(Clone)]
    struct Answering(u16);

    impl Service<Request<Body>> for Answering {
        type Response = Response<()>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<()>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::ready(Ok(Response::builder().status(self.0).body(()).unwrap()))
        }
    }

    #[tokio::test]
    async fn what_takes_or_renews_is_counted_and_what_only_asks_is_not() {
        let requests = [
            (Method::GET, "", 200),
            (Method::PUT, "", 200),
            (Method::POST, "", 201),
            (Method::PUT, "?dryRun=All", 200),
            (Method::PUT, "", 409),
            (Method::GET, "", 500),
        ];
        assert_eq!(counts(false, &requests).await, [2, 1]);
        assert_eq!(counts(true, &requests).await, [2, 2]);
    }
}
