//! Caches of services that are no Netdata's, against maps: any changes, failures, restarts and readers in any order.
//!
//! The services are declared, and nothing more: one has a number as its key, one a text, one several fields of all kinds.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex};

use netipc::server::Running;
use netipc::wire::Profiles;
use netipc::{HandlerResult, Reply, WireMessage};
use netipc_tests::processes::RunDir;
use netipc_tests::random::Random;

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Ship {
    pub name: String,
    pub id: u64,
    pub cargo: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Fleet {
    pub ships: Vec<Ship>,
    pub season: u32,
}

#[netipc::service(name = "harbour")]
pub trait Harbour {
    fn greet(&self, name: &str) -> u32;
    #[method(snapshot(items = ships, key(id), generation = season))]
    fn fleet(&self, reply: Reply<'_, Fleet>) -> HandlerResult;
}

/// What the server has, which outlives it.
#[derive(Default)]
struct Sea {
    fleet: Mutex<(u32, Vec<Ship>)>,
    is_foggy: Mutex<bool>,
}

#[derive(Clone)]
struct Pilot(Arc<Sea>);

impl Harbour for Pilot {
    fn greet(&self, name: &str) -> u32 {
        name.len() as u32
    }

    fn fleet(&self, mut reply: Reply<'_, Fleet>) -> HandlerResult {
        if *self.0.is_foggy.lock().unwrap() {
            return Err("nothing can be seen".into());
        }
        let (season, ships) = &*self.0.fleet.lock().unwrap();
        reply.season(*season);
        let mut list = reply.ships(ships.len());
        for ship in ships {
            list.push_value(ship);
        }
        Ok(())
    }
}

fn serve(sea: &Arc<Sea>, run_dir: &RunDir, profiles: Profiles) -> Running {
    let server = HarbourServer::new(Pilot(Arc::clone(sea))).workers(1).profiles(profiles);
    server.bind(run_dir.path()).unwrap().spawn().unwrap()
}

/// What a snapshot is: its number, the ships that are found, and how many others there are.
#[derive(Clone, Default)]
struct Model {
    season: Option<u32>,
    found: HashMap<u64, Ship>,
    all: Vec<Ship>,
}

impl Model {
    fn new((season, ships): &(u32, Vec<Ship>)) -> Self {
        let mut found = HashMap::new();
        for ship in ships {
            found.entry(ship.id).or_insert_with(|| ship.clone());
        }
        Self { season: Some(*season), found, all: ships.clone() }
    }

    fn is_that_of(&self, reading: &netipc::cache::Reading<'_, HarbourFleetSource>) {
        assert_eq!(reading.generation(), self.season.map(u64::from));
        for id in 0..60 {
            assert_eq!(reading.get(id).map(|ship| ship.to_owned()).as_ref(), self.found.get(&id), "{id}");
        }
        assert_eq!(reading.iter().map(|ship| ship.to_owned()).collect::<Vec<_>>(), self.all);
    }
}

fn changed(random: &mut Random, (season, ships): &mut (u32, Vec<Ship>)) {
    *season += 1;
    match random.below(10) {
        // Away with all, or another fleet.
        0 => ships.clear(),
        1 => *ships = (0..random.below(200)).map(|_| ship(random)).collect(),
        2..5 if !ships.is_empty() => {
            let at = random.below(ships.len());
            ships.swap_remove(at);
        }
        5 => random.shuffle(ships),
        _ => ships.push(ship(random)),
    }
}

fn ship(random: &mut Random) -> Ship {
    let name = "long name ".repeat(random.below(5));
    let cargo = (0..random.below(4)).map(|_| random.next() as u32).collect();
    // Few numbers, so that some come twice.
    Ship { id: random.below(50) as u64, name: format!("{name}{}", random.below(9)), cargo }
}

#[test]
fn a_cache_is_the_map_of_the_last_refresh_whatever_happens() {
    for (seed, profiles) in [(1, Profiles::BASELINE), (2, Profiles::BASELINE.union(Profiles::SHM_HYBRID))] {
        let (run_dir, sea, mut random) = (RunDir::new(), Arc::new(Sea::default()), Random::new(seed));
        let mut server = None;
        let cache = HarbourCache::over(HarbourClient::config().profiles(profiles).build(run_dir.path()));
        let mut model = Model::default();
        let mut readings = Vec::new();
        let (mut successes, mut failures) = (0, 0);
        for _ in 0..1200 {
            match random.below(20) {
                0 => server = None,
                1..4 => server = Some(server.take().unwrap_or_else(|| serve(&sea, &run_dir, profiles))),
                4 => {
                    // Another one at once, and the cache's connection is lost.
                    drop(server.take());
                    server = Some(serve(&sea, &run_dir, profiles));
                }
                5 => *sea.is_foggy.lock().unwrap() = random.one_in(2),
                6..9 => changed(&mut random, &mut sea.fleet.lock().unwrap()),
                9..13 => {
                    let works = server.is_some() && !*sea.is_foggy.lock().unwrap();
                    let refreshed = cache.refresh();
                    assert_eq!(refreshed.is_ok(), works, "{refreshed:?}");
                    if works {
                        successes += 1;
                        model = Model::new(&sea.fleet.lock().unwrap());
                    } else {
                        failures += 1;
                    }
                }
                13 => readings.push((cache.read(), model.clone())),
                14 if !readings.is_empty() => drop(readings.swap_remove(random.below(readings.len()))),
                15 if readings.len() > 12 => readings.clear(),
                16 if !readings.is_empty() => {
                    let (reading, model) = &readings[random.below(readings.len())];
                    model.is_that_of(reading);
                }
                _ => model.is_that_of(&cache.read()),
            }
        }
        let status = cache.status();
        assert_eq!((status.successes, status.failures), (successes, failures));
        assert_eq!(status.duplicates, model.all.len() - model.found.len());
        assert!(successes > 50 && failures > 10, "{successes} and {failures}");
        for (reading, model) in &readings {
            model.is_that_of(reading);
        }
    }
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Street {
    pub houses: u16,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Streets {
    pub revision: u8,
    pub streets: Vec<Street>,
}

#[netipc::service(name = "town")]
pub trait Town {
    #[method(snapshot(key(name), generation = revision, items = streets))]
    fn streets(&self) -> Streets;
}

struct Map(Vec<&'static str>);

impl Town for Map {
    fn streets(&self) -> Streets {
        let street = |(houses, name): (u16, &&str)| Street { houses, name: (*name).to_owned() };
        Streets { revision: 200, streets: (0..).zip(&self.0).map(street).collect() }
    }
}

#[test]
fn a_key_can_be_a_text_and_a_snapshot_a_returned_value() {
    let names = vec!["", "Mill Lane", "Mill", "Straße", "Mill Lane", "M", "Mill Lane "];
    let cache = TownCache::over(TownServer::new(Map(names.clone())).in_process());
    cache.refresh().unwrap();
    let reading = cache.read();
    for name in &names {
        let first = names.iter().position(|other| other == name);
        assert_eq!(reading.get(name).map(|street| usize::from(street.houses())), first, "{name}");
    }
    assert!(reading.get("Strasse").is_none() && reading.get("Mill Lan").is_none());
    assert_eq!((reading.generation(), cache.status().duplicates), (Some(200), 1));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum Kind {
    Gate = 1,
    Tower = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(open)]
#[repr(u8)]
pub enum Colour {
    Red = 1,
    Other(u8),
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Place {
    pub r#type: Kind,
    pub colour: Colour,
    pub is_open: bool,
    pub level: i8,
    pub id: [u8; 16],
    pub label: CString,
    pub raw: Vec<u8>,
    pub number: u32,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Places {
    pub generation: u64,
    pub places: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Nothing {}

#[netipc::service(name = "castle")]
pub trait Castle {
    #[method(snapshot(
        items = places,
        key(r#type, colour, is_open, level, id, label, raw),
        generation = generation,
    ))]
    fn places(&self, request: Nothing) -> Places;
}

struct Walls(Vec<Place>);

impl Castle for Walls {
    fn places(&self, _: Nothing) -> Places {
        Places { generation: 3, places: self.0.clone() }
    }
}

#[test]
fn a_key_can_be_of_fields_of_all_kinds() {
    let mut places = Vec::new();
    for kind in [Kind::Gate, Kind::Tower] {
        for colour in [Colour::Red, Colour::Other(0), Colour::Other(255)] {
            for is_open in [false, true] {
                for level in [-1, 0, 1] {
                    for (id, text) in [([0; 16], ""), ([1; 16], ""), ([0; 16], "a"), ([0; 16], "ab")] {
                        let number = places.len() as u32;
                        let (label, raw) = (CString::new(text).unwrap(), vec![0; text.len()]);
                        places.push(Place { r#type: kind, colour, is_open, level, id, label, raw, number });
                    }
                }
            }
        }
    }
    let cache = CastleCache::over(CastleServer::new(Walls(places.clone())).in_process());
    cache.refresh().unwrap();
    let reading = cache.read();
    assert_eq!((reading.len(), cache.status().duplicates), (places.len(), 0));
    for place in &places {
        let Place { r#type: kind, colour, is_open, level, id, label, raw, number } = place;
        let label: &CStr = label;
        let found = reading.get((*kind, *colour, *is_open, *level, *id, label, raw)).unwrap();
        assert_eq!(found.number(), *number);
        assert!(reading.get((*kind, Colour::Other(7), *is_open, *level, *id, label, raw)).is_none());
    }
}
