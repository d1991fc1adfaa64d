//! The rules of the fleet's site in a command of a board: the daemon has them, or the store.

use anyhow::{Context, Result};

use super::client::Client;
use crate::config::{Config, SiteText};

/// The configuration under the rules of the site that this board goes by, if it goes by any.
///
/// # Errors
/// The rules are not known, or do not fit this configuration.
pub fn under_site(config: Config, client: &Client) -> Result<Config> {
    if !config.fleet.enabled {
        return Ok(config);
    }
    let origin = client.rules().context("the rules of the fleet cannot be read")?;
    if let Some(trouble) = &origin.trouble {
        note!("warning: this board does not go by the newest rules of its site: {trouble}");
    }
    match (&origin.site, &origin.trouble) {
        (Some(site), _) => {
            let (source, text, holidays) = (site.source(), site.text.as_str(), &site.holidays);
            config
                .with_site(&SiteText { source: &source, text, holidays })
                .with_context(|| format!("{source} cannot be used with this configuration"))
        }
        (None, Some(_)) => Ok(config.closed("the rules of the site, which this board cannot use")),
        (None, None) => Ok(config),
    }
}
