//! Names to public addresses, at the moment of connecting: what is checked is what is connected to, so an answer that
//! changes afterwards changes nothing.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::{BoxError, Service};

use super::addresses::is_public;

/// Passes on none but public addresses of what another resolver finds.
#[derive(Debug, Clone)]
pub(super) struct PublicOnly<R = GaiResolver> {
    names: R,
}

impl PublicOnly {
    /// Over the system's resolver.
    pub(super) fn system() -> Self {
        Self { names: GaiResolver::new() }
    }
}

impl<R> Service<Name> for PublicOnly<R>
where
    R: Service<Name>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Error: Into<BoxError>,
    R::Future: Send + 'static,
{
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.names.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let shown = name.to_string();
        let found = self.names.call(name);
        Box::pin(async move {
            let found = found.await.map_err(Into::into)?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                let why = format!("`{shown}` has no public address; the operator can allow it in `egress.allow`");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
            }
            Ok(public.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers once with each of its lists, the last one for ever.
    struct Changing(Vec<Vec<SocketAddr>>);

    impl Service<Name> for Changing {
        type Response = vec::IntoIter<SocketAddr>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Self::Response, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let answer = if self.0.len() > 1 { self.0.remove(0) } else { self.0[0].clone() };
            std::future::ready(Ok(answer.into_iter()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_changes_is_checked_each_time() {
        let lists = [vec!["8.8.8.8:0", "127.0.0.1:0", "[::1]:0"], vec!["127.0.0.1:0"]];
        let lists = lists.map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        let mut resolver = PublicOnly { names: Changing(lists.into()) };
        let first: Vec<SocketAddr> = resolver.call("rebind.example".parse().unwrap()).await.unwrap().collect();
        assert_eq!(first, ["8.8.8.8:0".parse().unwrap()]);
        let second = resolver.call("rebind.example".parse().unwrap()).await.unwrap_err();
        assert!(second.to_string().contains("`rebind.example` has no public address"), "{second}");
    }
}
