//! The messages of WS-Discovery and ONVIF: questions are written, answers are read as far as they can be. Prefixes of names differ from camera to
//! camera, so only local names count.

use roxmltree::{Document, Node};

/// Longer texts of a camera are cut.
const LONGEST_TEXT: usize = 80;

/// Who has answered a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// Its lasting identifier.
    pub(super) endpoint: String,
    pub(super) name: Option<String>,
    pub(super) model: Option<String>,
    /// The addresses of its device service.
    pub(super) services: Vec<String>,
}

/// A set of settings that has a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) codec: Option<String>,
    pub(super) size: Option<(u32, u32)>,
}

/// Asks everybody for cameras. `id` is a UUID.
pub(super) fn probe(id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:w=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><e:Header><w:MessageID>uuid:{id}</w:MessageID>\
         <w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>\
         <w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>\
         <e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
    )
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:t=\"http://www.onvif.org/ver10/device/wsdl\" xmlns:m=\"http://www.onvif.org/ver10/media/wsdl\" \
         xmlns:s=\"http://www.onvif.org/ver10/schema\"><e:Body>{body}</e:Body></e:Envelope>"
    )
}

pub(super) fn capabilities() -> String {
    envelope("<t:GetCapabilities><t:Category>Media</t:Category></t:GetCapabilities>")
}

pub(super) fn get_profiles() -> String {
    envelope("<m:GetProfiles/>")
}

pub(super) fn get_stream_uri(token: &str) -> String {
    let token = token.replace('&', "&amp;").replace('<', "&lt;");
    envelope(&format!(
        "<m:GetStreamUri><m:StreamSetup><s:Stream>RTP-Unicast</s:Stream><s:Transport><s:Protocol>RTSP</s:Protocol></s:Transport>\
         </m:StreamSetup><m:ProfileToken>{token}</m:ProfileToken></m:GetStreamUri>"
    ))
}

/// Calls `read` with the document; the default if the text is no XML. The parser refuses entities that the document declares.
fn within<T: Default>(text: &str, read: impl FnOnce(&Document<'_>) -> T) -> T {
    Document::parse(text.trim_start_matches('\u{feff}').trim()).map(|document| read(&document)).unwrap_or_default()
}

fn all<'a, 'd: 'a>(node: Node<'a, 'd>, name: &'static str) -> impl Iterator<Item = Node<'a, 'd>> {
    node.descendants().filter(move |node| node.is_element() && node.tag_name().name() == name)
}

fn text(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    all(node, name).find_map(|found| found.text()).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A text of a camera as it may be shown: without control characters, and not too long.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect::<String>().trim().to_owned()
}

pub(super) fn matches(answer: &str) -> Vec<Match> {
    within(answer, |document| all(document.root(), "ProbeMatch").map(one_match).collect())
}

fn one_match(node: Node<'_, '_>) -> Match {
    let scopes = text(node, "Scopes").unwrap_or_default();
    let scope = |kind: &str| {
        let mut values = scopes.split_whitespace().filter_map(|scope| scope.strip_prefix("onvif://www.onvif.org/"));
        let value = values.find_map(|scope| scope.strip_prefix(kind))?;
        let decoded = decode(value);
        Some(clean(&decoded)).filter(|text| !text.is_empty())
    };
    Match {
        endpoint: text(node, "Address").unwrap_or_default(),
        name: scope("name/"),
        model: scope("hardware/"),
        services: text(node, "XAddrs").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    }
}

/// Replaces `%20` and the like.
fn decode(text: &str) -> String {
    // A plus sign means itself in a path.
    let form = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The address of the media service.
pub(super) fn media_service(answer: &str) -> Option<String> {
    within(answer, |document| all(document.root(), "Media").find_map(|media| text(media, "XAddr")))
}

pub(super) fn profiles(answer: &str) -> Vec<Profile> {
    within(answer, |document| all(document.root(), "Profiles").filter_map(profile).collect())
}

fn profile(node: Node<'_, '_>) -> Option<Profile> {
    let token = node.attribute("token")?.to_owned();
    let own = node.children().find(|child| child.tag_name().name() == "Name").and_then(|name| name.text());
    let name = clean(own.unwrap_or(&token));
    let encoder = all(node, "VideoEncoderConfiguration").next();
    let codec = encoder.and_then(|encoder| text(encoder, "Encoding")).map(|codec| clean(&codec));
    let size = encoder
        .and_then(|encoder| all(encoder, "Resolution").next())
        .and_then(|size| Some((text(size, "Width")?.parse().ok()?, text(size, "Height")?.parse().ok()?)));
    Some(Profile { token, name, codec, size })
}

/// The address of a stream.
pub(super) fn uri(answer: &str) -> Option<String> {
    within(answer, |document| text(document.root(), "Uri"))
}

/// Whether a fault says that a password is needed.
pub(super) fn is_not_authorised(answer: &str) -> bool {
    within(answer, |document| {
        all(document.root(), "Value")
            .any(|value| value.text().is_some_and(|text| text.trim().ends_with("NotAuthorized")))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As a Reolink camera answers, with its service at this address.
    pub fn probe_match(service: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\">\
             <SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:2419d68a-2dd2-21b2-a205-ec71db000001\
             </wsa:Address></wsa:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/type/video_encoder \
             onvif://www.onvif.org/hardware/RLC-520A onvif://www.onvif.org/name/Front%20door</d:Scopes><d:XAddrs>http://[fe80::1]/x {service}</d:XAddrs>\
             <d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        )
    }

    /// What a camera answers to a question.
    pub fn answer(question: &str, port: u16) -> String {
        let profile = |token: &str, name: &str, codec: &str, width: u32, height: u32| {
            format!(
                "<trt:Profiles token=\"{token}\" fixed=\"true\"><tt:Name>{name}</tt:Name><tt:VideoEncoderConfiguration token=\"e\"><tt:Name>e</tt:Name>\
                 <tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>\
                 </tt:VideoEncoderConfiguration></trt:Profiles>"
            )
        };
        let body = if question.contains("GetCapabilities") {
            format!("<tds:R><tt:Media><tt:XAddr>http://127.0.0.1:{port}/onvif/media</tt:XAddr></tt:Media></tds:R>")
        } else if question.contains("GetProfiles") {
            let all = [profile("000", "main", "H265", 2560, 1920), profile("001", "sub", "H264", 640, 480)].concat();
            format!("<trt:GetProfilesResponse>{all}</trt:GetProfilesResponse>")
        } else {
            let path = if question.contains(">001<") { "sub" } else { "main" };
            format!("<trt:R><trt:MediaUri><tt:Uri>rtsp://127.0.0.1:554/{path}</tt:Uri></trt:MediaUri></trt:R>")
        };
        format!(
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:trt=\"t\" xmlns:tt=\"u\" \
             xmlns:tds=\"v\"><s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    #[test]
    fn questions_are_xml() {
        for question in [probe("1"), capabilities(), get_profiles(), get_stream_uri("a<&b")] {
            Document::parse(&question).unwrap();
        }
    }

    #[test]
    fn answers_are_read_and_cleaned() {
        let found = matches(&probe_match("http://192.0.2.20/onvif/device_service"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].services, ["http://[fe80::1]/x", "http://192.0.2.20/onvif/device_service"]);
        let wild = probe_match("x").replace("Front%20door", &format!("%1B[2J{}", "a".repeat(200)));
        let name = matches(&wild).remove(0).name.unwrap();
        assert!(name.starts_with("[2Ja") && name.len() == LONGEST_TEXT, "{name}");
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\">]><a><ProbeMatch>&b;</ProbeMatch></a>";
        for text in ["", "noise", "<a>", "<a/>", bomb] {
            assert_eq!((matches(text), media_service(text), profiles(text), uri(text)), (vec![], None, vec![], None));
            assert!(!is_not_authorised(text));
        }
        let fault = "<f><Value>env:Sender</Value><Value>ter:NotAuthorized</Value></f>";
        assert!(is_not_authorised(fault));
    }
}
