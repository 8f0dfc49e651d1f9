//! `GET /stream`: which streams, in what order, in pages.
//!
//! Pages follow Studio: `cursor` is `skipN`, the next one is told only in the `Link` header, the number of all only in
//! `X-Total-Count`, and only if `count` is asked for.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use livepeer::studio::Stream;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{ApiError, ApiResult};
use crate::live::WireStream;
use crate::state::Shared;

/// Streams per page unless asked otherwise, and at most.
const PAGE: usize = 20;
const MAX_PAGE: usize = 1000;

/// The order unless asked otherwise: the ones seen last first.
const ORDER: &str = "lastSeen-true,createdAt-true";

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// The query string. Flags are on if they are anything but empty, `0` and `false`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    limit: Option<String>,
    cursor: Option<String>,
    order: Option<String>,
    filters: Option<String>,
    active: Option<String>,
    sessionsonly: Option<String>,
    count: Option<String>,
}

/// The handler.
pub(crate) async fn list(
    State(shared): State<Shared>,
    OriginalUri(uri): OriginalUri,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let limit = limit(asked.limit.as_deref())?;
    let skip = skip(asked.cursor.as_deref())?;
    let order = order(asked.order.as_deref().unwrap_or(ORDER))?;
    let filters = filters(asked.filters.as_deref())?;

    let tables = shared.tables();
    let wanted = |shown: &WireStream| {
        let stream = &shown.row.stream;
        // There are no session objects here: who asks for these alone gets none.
        !on(asked.sessionsonly.as_deref())
            && (!on(asked.active.as_deref()) || stream.is_active)
            && filters.iter().all(|filter| filter.lets_through(stream))
    };
    let mut streams: Vec<WireStream> = tables
        .streams()
        .map(|row| shared.live().show(row))
        .filter(wanted)
        .collect();
    streams.sort_by(|left, right| compare(&order, &left.row.stream, &right.row.stream));

    let total = streams.len();
    let page: Vec<WireStream> = streams.into_iter().skip(skip).take(limit).collect();
    let next = skip.saturating_add(page.len());
    let mut response = Json(&page).into_response();
    if next < total && !page.is_empty() {
        let link = next_page(&shared, &uri, &headers, next);
        if let Ok(value) = HeaderValue::from_str(&format!("<{link}>; rel=\"next\"")) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    if on(asked.count.as_deref()) {
        response
            .headers_mut()
            .insert(TOTAL, HeaderValue::from(total));
    }
    Ok(response)
}

fn on(flag: Option<&str>) -> bool {
    flag.is_some_and(|flag| !["", "0", "false"].contains(&flag))
}

fn limit(text: Option<&str>) -> ApiResult<usize> {
    let Some(text) = text else {
        return Ok(PAGE);
    };
    match text.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit.min(MAX_PAGE)),
        _ => Err(ApiError::bad_request(format!(
            "limit must be a whole number from 1 to {MAX_PAGE}"
        ))),
    }
}

fn skip(text: Option<&str>) -> ApiResult<usize> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    let number = text
        .strip_prefix("skip")
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| ApiError::bad_request("cursor must be one that the Link header gave"))
}

/// The same request with another cursor, at the address that the caller used: behind a proxy or under a mount point the
/// server's own idea of it would send the key elsewhere.
fn next_page(shared: &Shared, uri: &axum::http::Uri, headers: &HeaderMap, skip: usize) -> String {
    let base = &shared.config().base_url;
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.map_or_else(|| base.authority().to_owned(), str::to_owned);
    let query = uri.query().unwrap_or_default();
    let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != "cursor");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .append_pair("cursor", &format!("skip{skip}"))
        .finish();
    format!("{}://{host}{}?{query}", base.scheme(), uri.path())
}

/// A column to sort by, and whether the largest comes first.
type Order = Vec<(&'static str, bool)>;

/// The columns that can be filtered and sorted by.
const COLUMNS: [&str; 11] = [
    "id",
    "name",
    "createdAt",
    "lastSeen",
    "creatorId",
    "isActive",
    "parentId",
    "playbackId",
    "projectId",
    "record",
    "suspended",
];

fn column(name: &str) -> ApiResult<&'static str> {
    let known = COLUMNS.iter().find(|column| **column == name);
    known.copied().ok_or_else(|| {
        // Studio passes over a name that it does not know, which hides typing errors.
        ApiError::bad_request(format!(
            "unknown field {name:?}: known are {}",
            COLUMNS.join(", ")
        ))
    })
}

fn order(text: &str) -> ApiResult<Order> {
    let part = |part: &str| {
        let (name, descending) = part.split_once('-').unwrap_or((part, ""));
        Ok((column(name)?, descending == "true"))
    };
    text.split(',').map(part).collect()
}

fn compare(order: &Order, left: &Stream, right: &Stream) -> Ordering {
    let by = |(name, descending): &(&'static str, bool)| {
        let ordering = Cell::of(left, name).compare(&Cell::of(right, name));
        if *descending {
            ordering.reverse()
        } else {
            ordering
        }
    };
    let ordering = order.iter().map(by).find(|ordering| ordering.is_ne());
    // Ids last, so that pages neither repeat nor lose a stream.
    ordering.unwrap_or_else(|| left.id.cmp(&right.id))
}

/// One field of one stream, as something to compare with.
enum Cell<'a> {
    Text(&'a str),
    /// Matches what contains the words, in any case.
    Prose(&'a str),
    Flag(bool),
    Number(u64),
}

impl<'a> Cell<'a> {
    fn of(stream: &'a Stream, column: &str) -> Cell<'a> {
        let text = |text: &'a Option<String>| Cell::Text(text.as_deref().unwrap_or_default());
        match column {
            "name" => Cell::Prose(&stream.name),
            "createdAt" => Cell::Number(stream.created_at.unwrap_or_default()),
            "lastSeen" => Cell::Number(stream.last_seen),
            "creatorId" => Cell::Text(stream.creator_id.as_ref().map_or("", |id| &id.0)),
            "isActive" => Cell::Flag(stream.is_active),
            "parentId" => text(&stream.parent_id),
            "playbackId" => Cell::Text(&stream.playback_id),
            "projectId" => text(&stream.project_id),
            "record" => Cell::Flag(stream.record),
            "suspended" => Cell::Flag(stream.suspended),
            _ => Cell::Text(&stream.id),
        }
    }

    fn compare(&self, other: &Cell<'_>) -> Ordering {
        match (self, other) {
            (Cell::Text(a) | Cell::Prose(a), Cell::Text(b) | Cell::Prose(b)) => a.cmp(b),
            (Cell::Flag(a), Cell::Flag(b)) => a.cmp(b),
            (Cell::Number(a), Cell::Number(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Cell::Text(text), Value::String(wanted)) => text == wanted,
            (Cell::Prose(text), Value::String(wanted)) => {
                text.to_lowercase().contains(&wanted.to_lowercase())
            }
            (Cell::Flag(flag), Value::Bool(wanted)) => flag == wanted,
            (Cell::Number(number), Value::Number(wanted)) => {
                wanted.as_f64() == Some(*number as f64)
            }
            (Cell::Number(number), Value::Object(bounds)) => within(*number as f64, bounds),
            _ => false,
        }
    }
}

fn within(number: f64, bounds: &Map<String, Value>) -> bool {
    bounds.iter().all(|(name, bound)| {
        let Some(bound) = bound.as_f64() else {
            return false;
        };
        match name.as_str() {
            "gt" => number > bound,
            "gte" => number >= bound,
            "lt" => number < bound,
            "lte" => number <= bound,
            _ => false,
        }
    })
}

struct Filter {
    column: &'static str,
    value: Value,
}

impl Filter {
    fn lets_through(&self, stream: &Stream) -> bool {
        Cell::of(stream, self.column).matches(&self.value)
    }
}

fn filters(text: Option<&str>) -> ApiResult<Vec<Filter>> {
    #[derive(Deserialize)]
    struct Wire {
        id: String,
        value: Value,
    }
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let wires: Vec<Wire> = serde_json::from_str(text).map_err(|error| {
        ApiError::bad_request(format!(
            "filters must be a JSON list of {{\"id\":field,\"value\":wanted}}: {error}"
        ))
    })?;
    let filter = |wire: Wire| {
        Ok(Filter {
            column: column(&wire.id)?,
            value: wire.value,
        })
    };
    wires.into_iter().map(filter).collect()
}
