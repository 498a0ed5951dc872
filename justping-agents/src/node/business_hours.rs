//! Asks whether people are at work.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::prompt::exit;
use super::{config, schema};

/// Most lines of opening hours.
const HOURS_MAX: usize = 50;
/// Most holidays.
const HOLIDAYS_MAX: usize = 200;
/// How many days ahead the next opening is looked for.
const LOOK_AHEAD_DAYS: i64 = 370;

/// Goes one way while the business is open and another while it is closed.
///
/// A line that ends before it begins goes on after midnight. A holiday closes what begins on its
/// date. Days are the days of the time zone, whatever its clocks do on them.
#[derive(Debug)]
pub(super) struct BusinessHours;

#[derive(Debug, Deserialize)]
struct Config {
    time_zone: String,
    hours: Vec<LineConfig>,
    #[serde(default)]
    holidays: Vec<String>,
    #[serde(default)]
    next_opening_variable: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LineConfig {
    days: Vec<Day>,
    from: String,
    to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

impl FlowNode for BusinessHours {
    fn descriptor(&self) -> NodeDescriptor {
        let time = |title: &str, pattern: &str| json!({"type": "string", "title": title, "pattern": pattern});
        let line = json!({
            "days": {
                "type": "array", "title": "Days", "minItems": 1, "uniqueItems": true,
                "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
            },
            "from": time("From", "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
            "to": time("To", "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
        });
        NodeDescriptor {
            kind: "business_hours".to_owned(),
            title: "Business hours".to_owned(),
            summary: "Goes one way while the business is open and another while it is closed."
                .to_owned(),
            schema: schema::object(
                json!({
                    "time_zone": {
                        "type": "string", "title": "Time zone, such as Europe/Berlin", "minLength": 1
                    },
                    "hours": {
                        "type": "array", "title": "Opening hours", "maxItems": HOURS_MAX,
                        "items": schema::object(line, &["days", "from", "to"])
                    },
                    "holidays": {
                        "type": "array", "title": "Closed on", "maxItems": HOLIDAYS_MAX,
                        "items": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
                    },
                    "next_opening_variable":
                        schema::variable("When closed, save the next opening in")
                }),
                &["time_zone", "hours"],
            ),
            exits: vec![
                schema::exit("open", "The business is open"),
                schema::exit("closed", "The business is closed"),
            ],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let zone = TimeZone::get(&config.time_zone)
            .map_err(|_| NodeConfigError::new("/time_zone", "there is no such time zone"))?;
        let line = |(at, line): (usize, LineConfig)| Line::read(&format!("/hours/{at}"), &line);
        let holiday = |(at, text): (usize, &String)| {
            let date = text.parse::<Date>();
            date.map_err(|_| NodeConfigError::new(format!("/holidays/{at}"), "is not a date"))
        };
        Ok(Box::new(Calendar {
            zone,
            lines: config.hours.into_iter().enumerate().map(line).collect::<Result<_, _>>()?,
            holidays: config.holidays.iter().enumerate().map(holiday).collect::<Result<_, _>>()?,
            next_opening: config.next_opening_variable,
        }))
    }
}

#[derive(Debug)]
struct Calendar {
    zone: TimeZone,
    lines: Vec<Line>,
    holidays: Vec<Date>,
    next_opening: Option<String>,
}

#[derive(Debug)]
struct Line {
    days: Vec<Weekday>,
    from: Time,
    /// Midnight stands for the end of the day.
    to: Time,
}

impl Line {
    fn read(path: &str, line: &LineConfig) -> Result<Self, NodeConfigError> {
        let time = |name: &str, text: &str| {
            let text = if text == "24:00" { "00:00" } else { text };
            text.parse::<Time>()
                .map_err(|_| NodeConfigError::new(format!("{path}/{name}"), "is not a time of day"))
        };
        let (from, to) = (time("from", &line.from)?, time("to", &line.to)?);
        if line.from == line.to {
            return Err(NodeConfigError::new(format!("{path}/to"), "the line is empty"));
        }
        Ok(Self { days: line.days.iter().map(|day| day.weekday()).collect(), from, to })
    }

    fn runs_into_the_next_day(&self) -> bool {
        self.to <= self.from
    }
}

impl Calendar {
    /// Lines that begin on a date.
    fn on(&self, date: Date) -> impl Iterator<Item = &Line> {
        let holiday = self.holidays.contains(&date);
        let weekday = date.weekday();
        self.lines.iter().filter(move |line| !holiday && line.days.contains(&weekday))
    }

    fn is_open(&self, now: &Zoned) -> bool {
        let (date, time) = (now.date(), now.time());
        let today = self
            .on(date)
            .any(|line| time >= line.from && (line.runs_into_the_next_day() || time < line.to));
        today
            || date.yesterday().is_ok_and(|before| {
                self.on(before).any(|line| line.runs_into_the_next_day() && time < line.to)
            })
    }

    /// The next moment at which a line begins.
    fn next_opening(&self, now: &Zoned) -> Option<Zoned> {
        (0..=LOOK_AHEAD_DAYS).find_map(|days| {
            let date = now.date().checked_add(days.days()).ok()?;
            let begins = self.on(date).map(|line| line.from);
            let moments =
                begins.filter_map(|from| date.to_datetime(from).to_zoned(self.zone.clone()).ok());
            moments.filter(|moment| moment > now).min()
        })
    }
}

impl BuiltNode for Calendar {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let now = cx.now.to_zoned(self.zone.clone());
        if self.is_open(&now) {
            return exit("open");
        }
        if let Some(variable) = &self.next_opening {
            let next = self.next_opening(&now);
            let text = next.map(|next| next.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
            cx.set(variable, text.map_or(Value::Null, Value::from));
        }
        exit("closed")
    }

    fn exits(&self) -> Vec<String> {
        vec!["open".to_owned(), "closed".to_owned()]
    }

    fn writes(&self) -> Vec<String> {
        self.next_opening.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(hours: &Value, holidays: &[&str]) -> Calendar {
        let lines: Vec<LineConfig> = serde_json::from_value(hours.clone()).unwrap();
        Calendar {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            lines: lines.iter().map(|line| Line::read("", line).unwrap()).collect(),
            holidays: holidays.iter().map(|day| day.parse().unwrap()).collect(),
            next_opening: None,
        }
    }

    fn at(text: &str) -> Zoned {
        format!("{text}[Europe/Berlin]").parse().unwrap()
    }

    #[test]
    fn it_is_open_from_the_first_to_before_the_last_minute_of_its_days() {
        let week = json!([{"days": ["mon", "fri"], "from": "09:00", "to": "17:00"}]);
        let week = calendar(&week, &["2026-11-27"]);
        let open = |text| week.is_open(&at(text));
        // 2026-11-23 is a Monday.
        assert!(open("2026-11-23T09:00") && open("2026-11-23T16:59:59"));
        assert!(!open("2026-11-23T08:59") && !open("2026-11-23T17:00"));
        assert!(!open("2026-11-24T12:00"), "a Tuesday");
        assert!(!open("2026-11-27T12:00"), "a holiday");
        assert!(open("2026-12-04T12:00"));
        let next = |text| week.next_opening(&at(text)).map(|next| next.datetime().to_string());
        assert_eq!(next("2026-11-23T08:00").as_deref(), Some("2026-11-23T09:00:00"));
        assert_eq!(next("2026-11-23T17:00").as_deref(), Some("2026-11-30T09:00:00"));
        assert_eq!(calendar(&json!([]), &[]).next_opening(&at("2026-11-23T08:00")), None);
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let nights = json!([
            {"days": ["fri"], "from": "22:00", "to": "02:00"},
            {"days": ["sun"], "from": "20:00", "to": "24:00"}
        ]);
        let open = |holiday: &[&str], text| calendar(&nights, holiday).is_open(&at(text));
        assert!(open(&[], "2026-11-27T23:00") && open(&[], "2026-11-28T01:59"));
        assert!(!open(&[], "2026-11-28T02:00") && !open(&[], "2026-11-28T23:00"));
        assert!(open(&["2026-11-28"], "2026-11-28T01:00"), "the night began before the holiday");
        assert!(!open(&["2026-11-27"], "2026-11-28T01:00"));
        assert!(open(&[], "2026-11-29T23:59") && !open(&[], "2026-11-30T00:00"));
    }

    #[test]
    fn the_clock_on_the_wall_decides_when_clocks_are_changed() {
        let always = json!([{"days": ["sun"], "from": "02:30", "to": "04:00"}]);
        let calendar = calendar(&always, &[]);
        // On 2026-03-29 the clocks go from 02:00 to 03:00: 02:30 is not there, 03:15 is.
        assert!(calendar.is_open(&at("2026-03-29T03:15")));
        let next = calendar.next_opening(&at("2026-03-28T12:00")).unwrap();
        assert_eq!(next.to_string(), "2026-03-29T03:30:00+02:00[Europe/Berlin]");
        // On 2026-10-25 02:45 is there twice: open both times.
        assert!(calendar.is_open(&at("2026-10-25T02:45+02:00")));
        assert!(calendar.is_open(&at("2026-10-25T02:45+01:00")));
    }
}
