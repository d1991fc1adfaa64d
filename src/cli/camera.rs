//! `usher camera`

use std::collections::HashSet;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use crate::camera::onvif::{self, NetworkCamera};
use crate::camera::{stream, v4l2};
use crate::config::CameraKind;

/// Show the cameras of this machine and of its network.
///
/// Lists each video device, and each that the configuration names: its file, the driver's name for it, and the `[[camera]] identity` value
/// that pins it. Then the camera modules that libcamera knows, with their `sensor` values. Then the cameras that answer on the network (ONVIF),
/// with the `url` values of their streams, where they tell them without a password. Disturbs no stream; the daemon may run.
#[derive(Args)]
pub struct Camera {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List video devices, camera modules and the cameras on the network
    List {
        /// Print JSON, one object a camera
        #[arg(long)]
        json: bool,
        /// Do not ask on the network
        #[arg(long)]
        local: bool,
        /// Ask this address alone, with its port if that is not 3702: for cameras in another network
        #[arg(long, value_name = "ADDRESS", conflicts_with = "local", value_parser = asked)]
        ask: Option<SocketAddr>,
    },
}

/// What is no address that can be asked.
#[derive(Debug, thiserror::Error)]
#[error("not an address, such as 192.0.2.20 or 192.0.2.20:3702")]
struct NotAnAddress;

/// An address, with the port of WS-Discovery where it has none.
fn asked(text: &str) -> Result<SocketAddr, NotAnAddress> {
    let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, onvif::EVERYBODY.port()));
    alone.or_else(|_| text.parse()).map_err(|_| NotAnAddress)
}

impl Camera {
    pub fn run(self, context: &Context) -> Result<()> {
        let Command::List { json, local, ask } = self.command;
        let mut out = std::io::stdout().lock();
        devices(context, json, &mut out)?;
        modules(json, &mut out)?;
        if local {
            return Ok(());
        }
        let whom = ask.unwrap_or(onvif::EVERYBODY);
        match onvif::discover(whom) {
            Ok(found) => network(&found, json, &mut out),
            Err(error) if ask.is_some() => Err(error).with_context(|| format!("{whom} cannot be asked")),
            // A machine without a network has no cameras there.
            Err(error) => {
                tracing::debug!(%error, "the network cannot be asked for cameras");
                network(&[], json, &mut out)
            }
        }
    }
}

/// The video devices.
fn devices(context: &Context, json: bool, out: &mut impl Write) -> Result<()> {
    let mut devices: Vec<String> = v4l2::devices().iter().map(|device| device.path.display().to_string()).collect();
    for camera in context.config_if_any()?.iter().flat_map(|config| &config.cameras) {
        if camera.kind == CameraKind::V4l2 {
            let named = camera.device.display().to_string();
            // A link leads to one of them.
            let known = v4l2::device_file(&named).unwrap_or(named);
            if !devices.contains(&known) {
                devices.push(known);
            }
        }
    }
    if devices.is_empty() && !json {
        writeln!(out, "There is no video device: plug a camera in.")?;
    }
    for device in devices {
        match (json, v4l2::identity(&device)) {
            (true, Ok(found)) => {
                let (identity, link) = (found.key(), &found.link);
                let line = json!({
                    "kind": "v4l2", "device": device, "identity": identity, "link": link, "place": found.bus, "name": found.card
                });
                writeln!(out, "{line}")?;
            }
            (true, Err(error)) => {
                writeln!(out, "{}", json!({ "kind": "v4l2", "device": device, "error": error.to_string() }))?;
            }
            (false, Ok(found)) => {
                writeln!(out, "{device:<14} {found}\n               identity = {:?}", found.key())?;
            }
            (false, Err(error)) => writeln!(out, "{device:<14} {error}")?,
        }
    }
    Ok(())
}

/// The camera modules that libcamera knows.
fn modules(json: bool, out: &mut impl Write) -> Result<()> {
    let modules = stream::modules().unwrap_or_else(|error| {
        note!("libcamera does not say which camera modules there are: {error}");
        Vec::new()
    });
    for id in modules {
        match json {
            true => writeln!(out, "{}", json!({ "kind": "libcamera", "sensor": id }))?,
            false => writeln!(out, "{:<14} kind = \"libcamera\"\n               sensor = {id:?}", "camera module")?,
        }
    }
    Ok(())
}

/// The cameras on the network.
fn network(found: &[NetworkCamera], json: bool, out: &mut impl Write) -> Result<()> {
    if found.is_empty() && !json {
        writeln!(out, "No camera answers on the network (ONVIF may be off in its settings).")?;
    }
    let mut shown = HashSet::new();
    for camera in found {
        let streams: Vec<_> = camera
            .streams
            .iter()
            .map(|stream| {
                json!({ "name": stream.name, "codec": stream.codec, "width": stream.width, "height": stream.height,
                        "url": stream.address.to_string() })
            })
            .collect();
        let withheld = camera.withheld.as_ref().map(ToString::to_string);
        if json {
            let line = json!({
                "kind": "stream", "address": camera.host, "name": camera.name, "model": camera.model, "streams": streams, "withheld": withheld
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let names: Vec<&str> = [&camera.name, &camera.model].into_iter().flatten().map(String::as_str).collect();
        writeln!(
            out,
            "{:<14} {}",
            camera.host,
            if names.is_empty() { "a camera without a name".into() } else { names.join(", ") }
        )?;
        for stream in &camera.streams {
            let size = stream.width.zip(stream.height).map(|(width, height)| format!(" {width}x{height}"));
            let codec = stream.codec.as_deref().map(|codec| format!(" {codec}"));
            let what = format!("{}{}{}", stream.name, codec.unwrap_or_default(), size.unwrap_or_default());
            writeln!(out, "               url = {:?}  ({what})", stream.address.to_string())?;
        }
        if let Some(withheld) = withheld.filter(|_| shown.insert(camera.host)) {
            writeln!(out, "               {withheld}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_at_the_port_of_discovery() {
        assert_eq!(asked("192.0.2.20").unwrap().to_string(), "192.0.2.20:3702");
        assert_eq!(asked("[::1]:99").unwrap().to_string(), "[::1]:99");
        assert!(asked("camera").unwrap_err().to_string().contains("192.0.2.20"));
    }
}
