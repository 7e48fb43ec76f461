//! Waiting between tries.

use std::time::Duration;

use rand::RngExt as _;

/// The most that the first wait can be.
const FIRST: Duration = Duration::from_millis(10);
/// The most that any wait can be.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits before try `tried + 1`: exponential with full jitter, so that writers that collided once spread out.
pub(crate) async fn wait(tried: u32) {
    // Drawn before the wait: the generator belongs to its thread, and whoever waits may wake on another.
    let pause = rand::rng().random_range(Duration::ZERO..=most(tried));
    tokio::time::sleep(pause).await;
}

fn most(tried: u32) -> Duration {
    FIRST.saturating_mul(1 << tried.min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        assert_eq!(most(0), FIRST);
        assert_eq!(most(3), FIRST * 8);
        assert_eq!(most(u32::MAX), LONGEST);
    }
}
