//! When a picture from the network was taken.
//!
//! It arrived at a known moment, so it was taken before that. How long before, only the sender knows. Where its reports (RTCP sender reports, RFC
//! 3550
//! section 6.4.1) give each picture the time of the sender's clock, the way of each picture is compared with the quickest one: a picture that was
//! held up
//! on the way is older by as much. The sender's clock itself may be wrong by years, so it is believed as it stands only where it is close to a local
//! clock that is synchronised. Pure: all clocks are arguments. In doubt the result is earlier, never later than the arrival.

use std::time::Duration;

use crate::domain::Moment;

/// Two clocks of quartz drift apart by 200 millionths at most: 100 each. So much, and no more, the quickest way is allowed to grow.
const DRIFT_PER_MILLION: u128 = 200;
/// A sender's clock that is so close to the local one is taken for synchronised.
const IN_STEP: Duration = Duration::from_secs(2);
/// A way that changes by more from one picture to the next was not changed by the network: the sender's clock was set.
const CLOCK_SET: Duration = Duration::from_secs(20);

/// What is known of a picture when it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// When its first byte came in.
    pub at: Moment,
    /// For how long the network may have kept it for sorting.
    pub buffered: Duration,
    /// When it was taken by the sender's clock, since 1970.
    pub sender: Option<Duration>,
    /// The local wall clock at `at`, since 1970, where it is synchronised.
    pub wall: Option<Duration>,
}

/// The pictures of one stream in the order of their arrival.
#[derive(Debug, Default)]
pub struct Dating {
    quickest: Option<Way>,
    last: Option<Moment>,
}

/// Arrival less sending, each by its own clock, in nanoseconds: its absolute value means nothing, its changes do.
#[derive(Clone, Copy, Debug)]
struct Way {
    ns: i128,
    seen_at: Moment,
}

impl Dating {
    /// When the picture was taken, at the latest. Never before the picture ahead of it.
    pub fn date(&mut self, arrived: Arrived) -> Moment {
        let held_up = arrived.sender.map_or(Duration::ZERO, |sender| self.held_up(arrived.at, sender));
        let by_clock = arrived.sender.zip(arrived.wall).map(|(sender, wall)| wall.saturating_sub(sender));
        let believed = by_clock.filter(|age| *age <= IN_STEP).unwrap_or_default();
        let age = held_up.max(believed).max(arrived.buffered);
        let taken = Moment(arrived.at.0.saturating_sub(age));
        let taken = self.last.map_or(taken, |last| taken.max(last)).min(arrived.at);
        self.last = Some(taken);
        taken
    }

    /// How much longer this picture was on its way than the quickest one.
    fn held_up(&mut self, at: Moment, sender: Duration) -> Duration {
        let ns = signed(at.0).saturating_sub(signed(sender));
        let Some(quickest) = self.quickest else {
            self.quickest = Some(Way { ns, seen_at: at });
            return Duration::ZERO;
        };
        let drift = at.since(quickest.seen_at).as_nanos().saturating_mul(DRIFT_PER_MILLION) / 1_000_000;
        let allowed = quickest.ns.saturating_add(i128::try_from(drift).unwrap_or(i128::MAX));
        let longer = ns.saturating_sub(allowed);
        if longer <= 0 || longer > signed(CLOCK_SET) {
            self.quickest = Some(Way { ns, seen_at: at });
            return Duration::ZERO;
        }
        Duration::from_nanos(u64::try_from(longer).unwrap_or(u64::MAX))
    }
}

fn signed(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn arrived(at: u64, sender: Option<u64>) -> Arrived {
        Arrived { at: Moment(ms(at)), buffered: Duration::ZERO, sender: sender.map(ms), wall: None }
    }

    #[test]
    fn without_the_senders_clock_a_picture_is_as_old_as_the_buffer_is_long() {
        let mut dating = Dating::default();
        assert_eq!(dating.date(arrived(1000, None)), Moment(ms(1000)));
        let buffered = Arrived { buffered: ms(200), ..arrived(5000, None) };
        assert_eq!(dating.date(buffered), Moment(ms(4800)));
    }

    #[test]
    fn a_picture_that_was_held_up_is_older_by_as_much_whatever_the_senders_clock_says() {
        for epoch in [0, 3_000_000_000_000] {
            let mut dating = Dating::default();
            for frame in 0..100 {
                assert_eq!(
                    dating.date(arrived(10_000 + frame * 66, Some(epoch + frame * 66))),
                    Moment(ms(10_000 + frame * 66))
                );
            }
            // The network stalls for two seconds and delivers all at once.
            let stalled = dating.date(arrived(18_600, Some(epoch + 6_600)));
            assert!(stalled.0.abs_diff(ms(16_600)) <= ms(2), "{stalled:?}");
        }
    }

    #[test]
    fn a_standing_delay_is_not_forgotten_and_a_drift_is() {
        let mut dating = Dating::default();
        dating.date(arrived(0, Some(50)));
        for minute in 1..=10 {
            let now = minute * 60_000;
            let taken = dating.date(arrived(now, Some(now + 50 - 1_000)));
            let age = Moment(ms(now)).since(taken);
            assert!(age > ms(850) && age <= ms(1000), "{age:?}");
        }
        // 100 millionths slower for a day: 8.6 s, a millisecond at a time.
        let mut dating = Dating::default();
        for second in 0..86_400 {
            let taken = dating.date(arrived(second * 1000, Some(second * 1000 - second / 10)));
            assert!(Moment(ms(second * 1000)).since(taken) <= ms(2));
        }
    }

    #[test]
    fn a_sender_whose_clock_is_set_begins_anew() {
        let mut dating = Dating::default();
        dating.date(arrived(1_000, Some(100_000)));
        assert_eq!(dating.date(arrived(2_000, Some(1_700_000_000_000))), Moment(ms(2_000)));
        assert_eq!(dating.date(arrived(3_000, Some(101_000))), Moment(ms(3_000)));
    }

    #[test]
    fn a_sender_in_step_with_the_local_clock_is_believed() {
        let of = |wall: u64, sender: u64| {
            Dating::default().date(Arrived { wall: Some(ms(wall)), ..arrived(9_000, Some(sender)) })
        };
        assert_eq!(of(1_700_000_000_350, 1_700_000_000_000), Moment(ms(8_650)));
        // Ahead of the local clock, or far behind it: not synchronised.
        assert_eq!(of(1_700_000_000_000, 1_700_000_000_350), Moment(ms(9_000)));
        assert_eq!(of(1_700_000_003_000, 1_700_000_000_000), Moment(ms(9_000)));
    }

    proptest! {
        #[test]
        fn a_picture_is_never_from_the_future_and_never_before_the_last(
            frames in prop::collection::vec((0u64..5_000, any::<Option<u64>>(), 0u64..500), 1..50)
        ) {
            let mut dating = Dating::default();
            let (mut now, mut last) = (0, Moment::default());
            for (step, sender, buffered) in frames {
                now += step;
                let taken = dating.date(Arrived { buffered: ms(buffered), ..arrived(now, sender.map(|ms| ms / 2)) });
                prop_assert!(taken <= Moment(ms(now)) && taken >= last);
                last = taken;
            }
        }
    }
}
