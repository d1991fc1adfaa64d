//! Checks of the page: where its certificate comes from, and who may speak for others.

use super::Checks;
use crate::config::sections::WebTls;

impl Checks<'_> {
    pub(super) fn web(&mut self) {
        let web = &self.config.web;
        for (key, path) in [("certificate", &web.certificate), ("key", &web.key)] {
            let name = format!("web.{key}");
            match (web.tls, path) {
                (WebTls::Files, None) if self.sound(&name) => {
                    self.missing("web", key, "the path of a file in PEM, because tls is \"files\"");
                }
                (WebTls::Auto | WebTls::Own | WebTls::Proxy, Some(_)) => {
                    self.warn(&name, "it has no effect: tls is not \"files\"");
                }
                _ => {}
            }
        }
        let local = web.listen.ip().is_loopback();
        if web.tls == WebTls::Proxy && !local && web.proxies.is_empty() && self.sound("web.proxies") {
            self.missing("web", "proxies", "the addresses of the proxies, because others can reach listen, too");
        }
        if web.tls != WebTls::Proxy && !web.proxies.is_empty() {
            self.warn("web.proxies", "it has no effect: tls is not \"proxy\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn web(keys: &str) -> Result<Config, String> {
        let text = format!("[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n[web]\n{keys}");
        Config::from_toml(&text).map_err(|errors| errors.to_string())
    }

    #[test]
    fn tls_is_spoken_wherever_others_can_listen() {
        assert!(!web("").unwrap().web.speaks_tls());
        assert!(web("listen = \"0.0.0.0:8470\"").unwrap().web.speaks_tls());
        assert!(web("listen = \"[::]:8470\"").unwrap().web.speaks_tls());
        assert!(web("tls = \"own\"").unwrap().web.speaks_tls());
        assert!(!web("tls = \"proxy\"").unwrap().web.speaks_tls());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (keys, part) in [
            ("tls = \"files\"", "web.certificate"),
            ("tls = \"files\"\ncertificate = \"/a.pem\"", "web.key"),
            ("tls = \"proxy\"\nlisten = \"0.0.0.0:80\"", "web.proxies"),
            ("proxies = [\"192.0.2.300\"]", "address without a port"),
            ("names = [\"a b\"]", "host's name"),
            ("url = \"usher.example\"", "http://"),
            ("listen = \"8470\"", "web.listen"),
        ] {
            let error = web(keys).unwrap_err();
            assert!(error.contains(part), "{keys}: {error}");
        }
        assert!(web("tls = \"proxy\"\nlisten = \"0.0.0.0:80\"\nproxies = [\"192.0.2.7\", \"::1\"]").is_ok());
        assert!(web("names = [\"usher.example.org\", \"door-1\"]\nurl = \"https://usher.example.org/\"").is_ok());
    }
}
