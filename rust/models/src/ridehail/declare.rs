//! The model's declaration: every parameter with type, unit, default and range, every metric and dataset.
//!
//! Defaults are those of the simulator that first defined these names (docs/decisions/0008-ridehail.md).

use sweep_runtime::{Column, Dataset, Declaration, Parameter};

/// Ten years: the longest window, and therefore the latest time.
pub(super) const TEN_YEARS_MS: i64 = 10 * 365 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
const HOURS_IN_TEN_YEARS: i64 = TEN_YEARS_MS / 3_600_000;
const YEAR_9999_MS: i64 = 253_402_300_799_999;
const MOST_ENTITIES: i64 = 10_000_000;
const FARTHEST_CELLS: i64 = 10_000;

/// Name, version, parameters, metrics and datasets.
pub(super) fn declaration() -> Declaration {
    let declaration = Declaration::new(
        "ridehail",
        "1",
        "ride-hailing marketplace on a hexagonal map: riders, drivers, quotes, matching, trips",
    );
    let parameters = [arrivals(), space(), quote(), pricing(), matching(), drivers(), movement()];
    let declaration = parameters.into_iter().flatten().fold(declaration, Declaration::parameter);
    let metrics = [counts(), times(), stocks()];
    let declaration = metrics.into_iter().flatten().fold(declaration, Declaration::metric);
    declaration.dataset(trips()).dataset(snapshots())
}

fn arrivals() -> Vec<Parameter> {
    let count =
        |name, default, unit| Parameter::int(name, default).unit(unit).at_least(0).at_most(MOST_ENTITIES);
    let window = |name| Parameter::int(name, 3_600_000).unit("ms").at_least(1).at_most(TEN_YEARS_MS);
    vec![
        count("num_riders", 500, "riders").doc("cap and scale of rider arrivals; with 0 no rider arrives"),
        count("num_drivers", 100, "drivers")
            .doc("cap and scale of driver arrivals; with 0 no rider is picked up"),
        count("initial_rider_count", 0, "riders").doc("riders who arrive at time 0, within num_riders"),
        count("initial_driver_count", 0, "drivers").doc("drivers on duty at time 0, within num_drivers"),
        window("request_window_ms").doc("riders arrive from time 0 until this time"),
        window("driver_spread_ms").doc("drivers arrive from time 0 until this time"),
        Parameter::int("epoch_ms", 0)
            .nullable()
            .unit("ms since 1970-01-01 UTC")
            .at_least(0)
            .at_most(YEAR_9999_MS)
            .doc("wall clock at time 0, which sets hour and weekday; null means 0, midnight on a Thursday"),
        Parameter::int("simulation_duration_hours", 0)
            .null_by_default()
            .unit("h")
            .at_least(1)
            .at_most(HOURS_IN_TEN_YEARS)
            .doc("when the simulation ends; null means two hours after request_window_ms"),
        Parameter::int("warmup_ms", 0).unit("ms").at_least(0).at_most(TEN_YEARS_MS).doc(
            "riders who arrive before this, and time before it, are simulated but not counted; if num_riders \
                 arrive before it, no rider is counted",
        ),
    ]
}

fn space() -> Vec<Parameter> {
    let latitude = |name, default| Parameter::float(name, default).unit("deg").at_least(-90.0).at_most(90.0);
    let longitude =
        |name, default| Parameter::float(name, default).unit("deg").at_least(-180.0).at_most(180.0);
    let cells =
        |name, default| Parameter::int(name, default).unit("cells").at_least(0).at_most(FARTHEST_CELLS);
    vec![
        latitude("lat_min", 52.34).doc("south side of the box; below lat_max"),
        latitude("lat_max", 52.68).doc("north side of the box"),
        longitude("lng_min", 13.08).doc("west side of the box; below lng_max"),
        longitude("lng_max", 13.76).doc("east side of the box"),
        cells("min_trip_cells", 5).doc("least grid distance from pickup to drop-off; at most max_trip_cells"),
        cells("max_trip_cells", 60).doc("most grid distance from pickup to drop-off"),
    ]
}

fn quote() -> Vec<Parameter> {
    let coefficient = |name, default| Parameter::float(name, default).at_least(-1e6).at_most(1e6);
    vec![
        Parameter::int("max_quote_rejections", 3).at_least(0).at_most(1_000_000).doc(
            "rejections after which a rider still asks for another quote; with one more the rider abandons",
        ),
        seconds("re_quote_delay_secs", 10, 0).doc("time from a rejection to the next quote"),
        probability("accept_probability", 0.8)
            .doc("threshold choice: probability of accepting a quote within both limits"),
        money("max_willingness_to_pay", 100.0).doc("threshold choice: a higher fare is rejected"),
        Parameter::int("max_acceptable_eta_ms", 600_000)
            .unit("ms")
            .at_least(0)
            .at_most(TEN_YEARS_MS)
            .doc("threshold choice: rejects an ETA above"),
        Parameter::string("choice_model", "threshold").choices(&["threshold", "logit"]).doc(
            "threshold: limits of fare and ETA, then accept_probability; logit: accepts with probability \
             1 / (1 + exp(-(intercept + fare x coefficient + ETA x coefficient))), limits unused",
        ),
        coefficient("choice_intercept", 4.0).doc("logit choice: utility of an immediate free ride"),
        coefficient("choice_fare_coefficient", -0.1)
            .unit("1/currency")
            .doc("logit choice: utility of a unit of fare"),
        coefficient("choice_eta_coefficient", -0.2)
            .unit("1/min")
            .doc("logit choice: utility of a minute of ETA"),
        seconds("cancel_min_wait_secs", 120, 0)
            .doc("least patience from acceptance to pickup; at most cancel_max_wait_secs"),
        seconds("cancel_max_wait_secs", 2400, 0).doc("most patience from acceptance to pickup"),
    ]
}

fn pricing() -> Vec<Parameter> {
    vec![
        money("base_fare", 2.5).doc("fare = (base_fare + km x per_km_rate) x surge"),
        money("per_km_rate", 1.5).unit("currency/km").doc("fare per km between pickup and drop-off"),
        probability("commission_rate", 0.0).doc("the platform's share of the fare"),
        Parameter::bool("surge_enabled", false)
            .doc("whether fares rise if riders outnumber idle drivers nearby"),
        Parameter::int("surge_radius_k", 1)
            .unit("cells")
            .at_least(0)
            .at_most(FARTHEST_CELLS)
            .doc("grid distance within which both are counted"),
        Parameter::float("surge_max_multiplier", 2.0).at_least(1.0).at_most(1e6).doc("most surge"),
    ]
}

fn matching() -> Vec<Parameter> {
    vec![
        Parameter::int("match_radius", 0)
            .unit("cells")
            .at_least(0)
            .at_most(FARTHEST_CELLS)
            .doc("grid distance within which an idle driver is a candidate; 0 means the same cell"),
        Parameter::string("matching_algorithm_type", "hungarian")
            .choices(&["simple", "cost_based", "hungarian"])
            .spellings(&[("costbased", "cost_based"), ("cost-based", "cost_based")])
            .doc(
                "simple: for each rider the first candidate; cost_based: the cheapest; hungarian: most \
                 matches, then least total cost. In any case; also costbased and cost-based",
            ),
        Parameter::bool("batch_matching_enabled", true)
            .doc("match in passes; otherwise each rider after accepting"),
        seconds("batch_interval_secs", 5, 1).doc("time between two passes"),
        Parameter::float("eta_weight", 0.1).unit("km/s").at_least(0.0).at_most(1e6).doc(
            "weight of ETA seconds in the cost km + ETA x eta_weight; the ETA is km at 40 km/h, so this \
             scales all costs equally and changes no match",
        ),
    ]
}

fn drivers() -> Vec<Parameter> {
    let score = |name, default| Parameter::float(name, default).at_least(-1e6).at_most(1e6);
    vec![
        score("base_acceptance_score", 1.0).doc("driver's acceptance, a logit: constant"),
        score("fare_weight", 0.1).unit("1/currency").doc("driver's acceptance: weight of the fare"),
        score("pickup_distance_penalty", -2.0)
            .unit("1/km")
            .doc("driver's acceptance: weight of the km to the pickup"),
        score("trip_distance_bonus", 0.5)
            .unit("1/km")
            .doc("driver's acceptance: weight of the km of the trip"),
        score("earnings_progress_weight", -0.5)
            .doc("driver's acceptance: weight of earnings divided by the daily target"),
        score("fatigue_penalty", -1.0)
            .doc("driver's acceptance: weight of time on duty divided by its limit"),
    ]
}

fn movement() -> Vec<Parameter> {
    vec![
        Parameter::string("traffic_profile", "none")
            .choices(&["none", "berlin"])
            .doc("berlin: speeds are scaled by the hour of the day"),
        Parameter::bool("dynamic_congestion_enabled", false)
            .doc("whether speeds fall with the drivers on duty in the cell"),
        Parameter::float("base_speed_kmh", 40.0)
            .null_by_default()
            .unit("km/h")
            .at_least(0.0)
            .at_most(1000.0)
            .doc("a hop's speed is uniform in [max(b - 10, 5), b + 10]; null: in [20, 60]"),
    ]
}

fn seconds(name: &'static str, default: i64, least: i64) -> Parameter {
    Parameter::int(name, default).unit("s").at_least(least).at_most(TEN_YEARS_MS / 1000)
}

fn money(name: &'static str, default: f64) -> Parameter {
    Parameter::float(name, default).unit("currency").at_least(0.0).at_most(1e9)
}

fn probability(name: &'static str, default: f64) -> Parameter {
    Parameter::float(name, default).at_least(0.0).at_most(1.0)
}

fn counts() -> Vec<Column> {
    let riders = |name| Column::int(name).unit("riders");
    let money = |name| Column::float(name).unit("currency");
    vec![
        riders("total_riders").doc("completed, abandoned or cancelled"),
        riders("completed_riders").doc("reached their drop-off"),
        riders("abandoned_quote_riders").doc("gave up after rejecting quotes"),
        riders("cancelled_riders").doc("accepted a quote and cancelled before the pickup"),
        Column::float("conversion_rate")
            .headline()
            .doc("completed_riders divided by total_riders; 0 if there are none"),
        money("platform_revenue").headline().doc("the platform's share of total_fares_collected"),
        money("driver_payouts").headline().doc("the drivers' share of total_fares_collected"),
        money("total_fares_collected").doc("fares of completed trips"),
        Column::int("completed_trips").unit("trips").doc("trips of counted riders that were completed"),
        riders("riders_abandoned_price")
            .doc("abandoned, and the last fare was too high; 0 with logit choice"),
        riders("riders_abandoned_eta").doc("abandoned, and the last ETA was too long; 0 with logit choice"),
        riders("riders_abandoned_stochastic")
            .doc("abandoned, and the last quote was rejected by chance; with logit choice all are"),
    ]
}

fn times() -> Vec<Column> {
    let time = |name| Column::float(name).unit("ms").nullable();
    vec![
        time("avg_time_to_match_ms").headline().doc(
            "mean time from request to the driver's acceptance, completed trips; null if there are none",
        ),
        time("median_time_to_match_ms").doc("its median; for an even number, the mean of the middle two"),
        time("p90_time_to_match_ms")
            .doc("its 90th percentile: element floor(0.9 (n - 1)) in ascending order, counted from 0"),
        time("avg_time_to_pickup_ms")
            .headline()
            .doc("mean time from the driver's acceptance to the pickup, completed trips"),
        time("median_time_to_pickup_ms").doc("its median"),
        time("p90_time_to_pickup_ms").doc("its 90th percentile, as above"),
        Column::int("matched_riders").unit("riders").doc("riders whom a driver accepted, completed or not"),
        time("avg_time_to_match_all_ms")
            .doc("mean time from request to the driver's acceptance, matched riders"),
        time("median_time_to_match_all_ms").doc("its median"),
        time("p90_time_to_match_all_ms").doc("its 90th percentile, as above"),
    ]
}

fn stocks() -> Vec<Column> {
    vec![
        Column::int("spawned_riders").unit("riders").doc("riders who arrived, excluding the warm-up"),
        Column::int("spawned_drivers").unit("drivers").doc("drivers who arrived, including the warm-up"),
        Column::int("riders_in_system_at_end")
            .unit("riders")
            .doc("counted riders who are browsing, waiting or in transit at the end"),
        Column::int("drivers_on_duty_at_end").unit("drivers").doc("drivers not off duty at the end"),
        Column::float("driver_utilisation").nullable().headline().doc(
            "share of drivers' time on duty spent en route or on a trip; null if no time was spent on duty",
        ),
        Column::float("mean_idle_drivers")
            .unit("drivers")
            .doc("time average of the number of idle drivers, excluding the warm-up"),
        Column::int("events").doc("events that were simulated, including the warm-up"),
    ]
}

fn trips() -> Dataset {
    let time = |name| Column::int(name).unit("ms");
    Dataset::new("trips", "one row per trip, in order of drivers' acceptance; times from the run's start")
        .column(Column::int("trip_id").doc("position in that order, from 0"))
        .column(Column::int("rider_id").doc("position in the order of arrival, from 0"))
        .column(Column::int("driver_id").doc("position in the order of arrival, from 0"))
        .column(Column::string("state").doc("state at the end: en_route, on_trip, completed or cancelled"))
        .column(Column::int("pickup_cell").doc("H3 index, resolution 9"))
        .column(Column::int("dropoff_cell").doc("H3 index, resolution 9"))
        .column(Column::float("pickup_distance_km_at_accept").unit("km").doc("driver to pickup"))
        .column(time("requested_at").doc("the rider arrives"))
        .column(time("matched_at").doc("the driver accepts"))
        .column(time("pickup_at").nullable().doc("the trip starts"))
        .column(time("dropoff_at").nullable().doc("the driver reaches the drop-off"))
        .column(time("cancelled_at").nullable().doc("the rider cancels"))
}

fn snapshots() -> Dataset {
    let columns = [
        ("riders_browsing", "have not accepted a quote yet"),
        ("riders_waiting", "accepted a quote, not picked up"),
        ("riders_in_transit", "on a trip"),
        ("riders_completed", "so far"),
        ("riders_cancelled", "so far, after accepting a quote"),
        ("riders_abandoned", "so far, without accepting a quote"),
        ("drivers_idle", "free"),
        ("drivers_evaluating", "with an offer"),
        ("drivers_en_route", "to a pickup"),
        ("drivers_on_trip", "with a rider"),
        ("drivers_off_duty", "gone"),
        ("trips_en_route", "driver accepted, rider not picked up"),
        ("trips_on_trip", "rider picked up"),
        ("trips_completed", "so far"),
        ("trips_cancelled", "so far, by the rider before the pickup"),
    ];
    let doc = "number of riders, drivers and trips in each state, at each whole second before which \
               something changed; the first row is at 0, the last at the end, which need not be a whole \
               second: then the second before it is left out";
    let dataset = Dataset::new("snapshots", doc).column(
        Column::int("timestamp_ms")
            .unit("ms")
            .doc("time from the run's start, including events at that time"),
    );
    columns.into_iter().fold(dataset, |dataset, (name, doc)| dataset.column(Column::int(name).doc(doc)))
}
