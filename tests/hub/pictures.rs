//! Snapshots: sent at once or never, and not retained.

use rumqttc::v5::mqttbytes::QoS;
use usher::hub::{HubSettings, Version};

use crate::support::*;

const PICTURE: &str = "house/door/door/front/snapshot";
const ABOUT: &str = "house/door/door/front/snapshot/about";

fn with_snapshots(port: u16) -> HubSettings {
    HubSettings { snapshots: true, ..settings(port) }
}

#[tokio::test]
async fn a_picture_arrives_unchanged_after_its_description_and_is_not_retained() {
    let mosquitto = Mosquitto::start().await;
    for version in [Version::V5, Version::V311] {
        let mut observer = Observer::of(mosquitto.port, "observer").await;
        let house = House::start(HubSettings { version, ..with_snapshots(mosquitto.own_port) });
        observer.expect_status("online").await;
        let jpeg: Vec<u8> = (0..90_000u32).map(|i| i as u8).collect();
        house.hub.publish_snapshot(picture(7, "denied", jpeg.clone()));
        let about = observer.wait_for(ABOUT).await;
        assert_eq!((seq(&about), &value(&about)["bytes"]), (7, &90_000.into()));
        let shown = observer.next().await;
        assert_eq!((text(&shown.topic), &shown.payload[..]), (PICTURE, &jpeg[..]));
        assert_eq!((shown.retain, about.retain, shown.qos), (false, false, QoS::AtLeastOnce));
        eventually("the count", || house.hub.counts().snapshots == 1).await;
        house.hub.stop().await;
    }
}

#[tokio::test]
async fn no_picture_is_sent_late() {
    let mut mosquitto = Mosquitto::start().await;
    let house = House::start(with_snapshots(mosquitto.own_port));
    house.online().await;
    mosquitto.kill();
    house.offline().await;
    house.hub.publish_snapshot(picture(1, "denied", vec![1]));
    assert_eq!(house.hub.counts().snapshots_dropped, 1);
    mosquitto.restart().await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    house.online().await;
    house.hub.publish_snapshot(picture(2, "denied", vec![2]));
    assert_eq!(observer.wait_for(PICTURE).await.payload, [2][..]);
}

#[tokio::test]
async fn a_picture_that_the_broker_refuses_costs_no_event() {
    let mosquitto = Mosquitto::with(|_| "allow_anonymous true\nmax_packet_size 2000".to_owned()).await;
    let mut observer = Observer::of(mosquitto.port, "observer").await;
    let house = House::start(with_snapshots(mosquitto.own_port));
    observer.expect_status("online").await;
    house.hub.publish_snapshot(picture(1, "denied", vec![0; 3000]));
    house.locks(1);
    assert_eq!(seq(&observer.event().await), 1);
    let counts = house.hub.counts();
    assert_eq!((counts.snapshots, counts.snapshots_dropped, counts.connections), (0, 1, 1));
}
