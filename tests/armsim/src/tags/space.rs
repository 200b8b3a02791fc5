//! Address space: which blocks a region has, and prefixes handed out from them. No prefix is handed out twice, none has
//! host bits, and none leaves the blocks of its region.

use crate::model::random::Random;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Blocks that belong to no region, for what is not announced yet: 40.64.0.0/10.
const UNANNOUNCED: u32 = u32::from_be_bytes([40, 64, 0, 0]);
/// `2603:1030::/24` and what follows; each region has sixteen /48 of it.
const IPV6: u128 = 0x2603_1030 << 96;

#[derive(Clone, Debug)]
pub(super) struct Space {
    blocks: Vec<(u32, u32)>,
    ipv6: u128,
    /// How far the blocks and the first /48 are used up.
    block: usize,
    used: u32,
    subnets: u128,
}

impl Space {
    /// The space of the region with this number (below 100).
    pub(super) fn of_region(number: u8) -> Self {
        let block = |first: u8, second: u8| (u32::from_be_bytes([first, second, 0, 0]), 1 << 16);
        let blocks = vec![block(20, number), block(20, 128 + number)];
        Self { blocks, ipv6: IPV6 | (u128::from(number) << 84), block: 0, used: 0, subnets: 0 }
    }

    pub(super) fn unannounced() -> Self {
        Self { blocks: vec![(UNANNOUNCED, 1 << 22)], ipv6: IPV6 | (0xFF << 84), block: 0, used: 0, subnets: 0 }
    }

    /// What `AzureCloud.<region>` lists: the blocks, whole or in parts, more that no service uses, and IPv6.
    pub(super) fn announced(&self, number: u8, random: &mut Random) -> Vec<IpNet> {
        let mut prefixes = Vec::new();
        for (i, (start, _)) in self.blocks.iter().enumerate() {
            let (count, length) = if i == 0 { (1, 16) } else { (16, 20) };
            prefixes.extend((0..count).map(|part| ipv4(start + (part << (32 - length)), length)));
        }
        let start = u32::from_be_bytes([52, 128 + number, 0, 0]);
        let parts = (0..128_u32).filter(|_| random.below(10) < 8).map(|part| ipv4(start + (part << 9), 23));
        prefixes.extend(parts);
        prefixes.extend((0..16).map(|part| ipv6(self.ipv6 | (part << 80), 48)));
        prefixes
    }

    /// The next free prefix with a mask from `shortest` to `longest`.
    pub(super) fn next_ipv4(&mut self, shortest: u8, longest: u8, random: &mut Random) -> IpNet {
        let length = u8::try_from(random.between(u64::from(shortest), u64::from(longest))).unwrap_or(longest);
        let size = 1_u32 << (32 - length);
        let gap = u32::try_from(random.below(48)).unwrap_or(0);
        let start = (self.used + gap).next_multiple_of(size);
        let (block, block_size) = self.blocks[self.block];
        if start + size > block_size {
            self.block += 1;
            self.used = 0;
            assert!(self.block < self.blocks.len(), "a region has space for more prefixes than it can ever need");
            return self.next_ipv4(shortest, longest, random);
        }
        self.used = start + size;
        ipv4(block + start, length)
    }

    /// The next free /122 to /124, each in a /64 of its own.
    pub(super) fn next_ipv6(&mut self, longest: u8, random: &mut Random) -> IpNet {
        self.subnets += 1;
        let length = u8::try_from(random.between(122, u64::from(longest))).unwrap_or(longest);
        let host = u128::from(random.between(1, 15)) << 6;
        ipv6(self.ipv6 | (self.subnets << 64) | host, length)
    }
}

fn ipv4(address: u32, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new(Ipv4Addr::from(address), length).expect("the length is below 33"))
}

fn ipv6(address: u128, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new(Ipv6Addr::from(address), length).expect("the length is below 129"))
}
