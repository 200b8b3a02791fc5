//! A port of loopback that the system chose, kept for a server that is started later, and again.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Socket, Type};

use crate::Error;

/// Bound but not listening, so nobody else gets the port, not even as the local end of an outgoing connection. The
/// server shares it with `SO_REUSEPORT`; while there is none, connections are refused.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _kept: Socket,
}

impl Port {
    pub(crate) fn keep() -> Result<Self, Error> {
        let kept = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            socket.bind(&SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).into())?;
            let number = socket.local_addr()?.as_socket_ipv4().map_or(0, |address| address.port());
            Ok(Self { number, _kept: socket })
        };
        kept().map_err(Error::Port)
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}
