//! Places for so many at once, of which no address takes all.
//!
//! Who comes when all places are taken waits, in the order of coming. An
//! address may have three quarters of them; its next ones wait for its own,
//! so that others find a place beside the greediest client.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gives out places.
#[derive(Debug, Clone)]
pub(crate) struct Crowd {
    places: Arc<Semaphore>,
    share: usize,
    addresses: Arc<Mutex<HashMap<IpAddr, Address>>>,
}

#[derive(Debug)]
struct Address {
    places: Arc<Semaphore>,
    /// Those that have a place or wait for one.
    present: usize,
}

/// Holds a place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _shared: Option<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
    _presence: Presence,
}

/// Counts one of an address, until it is dropped.
#[derive(Debug)]
struct Presence {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// Gives out so many places at once.
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            share: (places - places / 4).max(1),
            addresses: Arc::default(),
        }
    }

    /// Says how many of this address wait beyond its share.
    pub(crate) fn waiting(&self, peer: SocketAddr) -> usize {
        let present = self
            .lock()
            .get(&address(peer))
            .map_or(0, |address| address.present);
        present.saturating_sub(self.share)
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self, peer: SocketAddr) -> Place {
        let address = address(peer);
        let own = {
            let mut addresses = self.lock();
            let known = addresses.entry(address).or_insert_with(|| Address {
                places: Arc::new(Semaphore::new(self.share)),
                present: 0,
            });
            known.present += 1;
            Arc::clone(&known.places)
        };
        let presence = Presence {
            crowd: self.clone(),
            address,
        };
        // The semaphores are never closed.
        let own = own.acquire_owned().await.ok();
        let shared = Arc::clone(&self.places).acquire_owned().await.ok();
        Place {
            _shared: shared,
            _own: own,
            _presence: presence,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        // Counts are whole whatever their holder panicked on.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut addresses = self.crowd.lock();
        if let Some(known) = addresses.get_mut(&self.address) {
            known.present = known.present.saturating_sub(1);
            if known.present == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

/// Takes together what one client has: of IPv6 that is a network of 64 bits.
fn address(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn peer(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 5000).into()
    }

    #[test]
    fn an_address_leaves_a_quarter_to_others() {
        let crowd = Crowd::new(8);
        let enter = |last| crowd.enter(peer(last)).now_or_never();
        let mut greedy: Vec<_> = (0..6).map(|_| enter(1).expect("a place")).collect();
        assert!(enter(1).is_none());
        assert_eq!(crowd.waiting(peer(1)), 0);
        let (_second, third) = (enter(2).expect("a place"), enter(3).expect("a place"));
        assert!(enter(4).is_none(), "all are taken");
        drop(third);
        assert!(enter(4).is_some());
        greedy.clear();
        assert!(enter(1).is_some());
    }

    #[test]
    fn who_waits_is_served_in_order_and_who_is_gone_is_forgotten() {
        let crowd = Crowd::new(1);
        let first = crowd.enter(peer(1)).now_or_never().expect("a place");
        let mut second = Box::pin(crowd.enter(peer(2)));
        let mut third = Box::pin(crowd.enter(peer(2)));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(crowd.waiting(peer(2)), 1);
        drop(first);
        assert!((&mut third).now_or_never().is_none());
        drop(second);
        drop((&mut third).now_or_never().expect("a place"));
        drop(third);
        assert!(crowd.lock().is_empty());
    }

    #[test]
    fn one_client_is_one_address() {
        let of = |text: &str| address(format!("{text}:1").parse().expect("an address"));
        assert_eq!(of("[2001:db8::1]"), of("[2001:db8::2]"));
        assert_ne!(of("[2001:db8::1]"), of("[2001:db8:0:1::1]"));
        assert_eq!(of("[::ffff:10.0.0.1]"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
    }
}
