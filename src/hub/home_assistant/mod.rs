//! Home Assistant: the announcement that makes the device appear by itself, and the messages for its event entities.

mod discovery;
mod event;
mod pieces;

pub use discovery::{Announcement, device_id};
pub use event::{door_event, tag};

pub use super::settings::{HomeAssistantSettings, PeopleAs};

impl HomeAssistantSettings {
    /// The topic of a piece of the announcement, by its number from 1: `homeassistant/device/usher_front-door/config`, and for the others
    /// `homeassistant/device/usher_front-door/p002/config`, which cannot be the topic of another device. The first piece comes first in
    /// alphabetical order, in which topics are sent: an entity that moves to another piece is withdrawn before it is announced there.
    pub fn discovery_topic(&self, device: &str, piece: usize) -> String {
        let device = format!("{}/device/{}", self.discovery_prefix, device_id(device));
        if piece <= 1 { format!("{device}/config") } else { format!("{device}/p{piece:03}/config") }
    }

    /// The number of the piece that goes to a topic; `None` for the topics of others.
    pub fn piece(&self, topic: &str, device: &str) -> Option<usize> {
        if topic == self.discovery_topic(device, 1) {
            return Some(1);
        }
        let number = topic.strip_suffix("/config")?.rsplit('/').next()?.strip_prefix('p')?.parse().ok()?;
        (number > 1 && topic == self.discovery_topic(device, number)).then_some(number)
    }

    /// The topic filters that cover all pieces.
    pub fn discovery_filters(&self, device: &str) -> [String; 2] {
        let more = format!("{}/device/{}/+/config", self.discovery_prefix, device_id(device));
        [self.discovery_topic(device, 1), more]
    }

    /// The topic where Home Assistant publishes `online` after its start.
    pub fn birth_topic(&self) -> String {
        format!("{}/status", self.discovery_prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_known_by_its_topic_and_the_first_comes_first() {
        let settings = HomeAssistantSettings {
            discovery_prefix: "homeassistant".into(),
            people: PeopleAs::DeviceTracker,
            nearest: false,
            page: None,
        };
        let topics: Vec<String> = [1, 2, 10, 100].map(|piece| settings.discovery_topic("a", piece)).into();
        assert_eq!(topics[..2], ["homeassistant/device/usher_a/config", "homeassistant/device/usher_a/p002/config"]);
        assert!(topics.is_sorted());
        let pieces = |device: &str| topics.iter().filter_map(|topic| settings.piece(topic, device)).collect::<Vec<_>>();
        assert_eq!((pieces("a"), pieces("b")), (vec![1, 2, 10, 100], vec![]));
        for other in ["p1", "p2", "2", "p0002", "front", "p-02"] {
            assert_eq!(settings.piece(&format!("homeassistant/device/usher_a/{other}/config"), "a"), None, "{other}");
        }
    }
}
