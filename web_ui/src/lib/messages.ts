// Generated from messaging/pages.py (python -m web_ui.scripts.schema && npm run types). Do not edit.

export type OperatorDown = (OperatorState | OperatorQuality | OperatorImpedance | OperatorAlarm | CommittedRewards | Refusal)
/**
 * What a verdict marker says of the unit before it.
 */
export type Polarity = ("accept" | "reject")
/**
 * Why a connection was refused or closed, for programs.
 */
export type RefusalCode = ("bad_message" | "unauthorized" | "forbidden" | "not_found" | "conflict" | "replaced" | "too_slow" | "failed")
export type OperatorUp = (OperatorHello | OperatorCommand)
export type SubjectDown = (SubjectWelcome | ClockPong | Trial | OnsetsAck | Pause | Resume | SessionOver | Refusal)
/**
 * What a person rates with.
 */
export type RatingScale = ("slider" | "thumbs")
export type SubjectUp = (SubjectHello | ClockPing | Ready | Onsets | SubjectResponse | SubjectRating | Pause | Resume)

export interface PageMessages {
OperatorDown: OperatorDown
OperatorUp: OperatorUp
SubjectDown: SubjectDown
SubjectUp: SubjectUp
}
/**
 * State of the session and of every process, down, on every change and once a second.
 */
export interface OperatorState {
board?: (BoardAbilities | null)
calibration?: (CalibrationView | null)
channels?: string[]
current?: (ShownTrial | null)
decoder?: ({
[k: string]: unknown
} | null)
faults?: StandingFault[]
held?: (string | null)
lab: (LabStatus | null)
labels: number
labels_ok: number
n_trials: number
notes?: SessionNote[]
over?: boolean
protocol: string
recent?: ShownTrial[]
recording?: string
recording_id?: (string | null)
session_id: string
session_state: string
source: (string | null)
subject: string
subject_page: boolean
trials_done: number
type: "state"
worker: (string | null)
}
/**
 * What the connected board is, and what an operator may ask of it.
 */
export interface BoardAbilities {
eeg_channels?: string[]
impedance?: boolean
impedance_limit_kohm?: (number | null)
source: string
title: string
}
/**
 * How far the calibration of a session has come.
 */
export interface CalibrationView {
active: boolean
fraction?: (number | null)
n_trials: number
result?: (CalibrationResult | null)
round: number
trials_done: number
what?: (string | null)
}
/**
 * What came of a fit, up; repeated until `CalibrationTaken` names the recording.
 */
export interface CalibrationResult {
auc?: (number | null)
auc_ci95?: ([unknown, unknown, ...(unknown)[]] | null)
gate?: GateLine[]
name?: (string | null)
recording_id: string
released?: boolean
sentence: string
type: "calibrated"
version?: (number | null)
}
/**
 * One line of the gate, as the operator reads it.
 */
export interface GateLine {
name: string
sentence: string
verdict: string
}
/**
 * The trial on the subject's screen, with its units, for the operator.
 */
export interface ShownTrial {
presentation: string
prompt: string
response: (string | null)
shown: number
trial: number
units: UnitShown[]
}
/**
 * One unit of a response as shown; nothing here says whether it is right.
 */
export interface UnitShown {
char_end?: (number | null)
char_start?: (number | null)
index: number
item_id?: (string | null)
marker?: (MarkerShown | null)
response_id?: (string | null)
step?: (StepShown | null)
text: string
/**
 * What a window is cut around.
 */
time_lock?: ("unit" | "marker" | "response")
words?: ([unknown, unknown, ...(unknown)[]] | null)
}
/**
 * A sign that appeared after a unit; the answer of the brain is to the sign.
 */
export interface MarkerShown {
kind?: "verdict"
polarity: Polarity
source: ("verifier" | "drawn")
}
/**
 * Which step of a chain of thought a unit is.
 */
export interface StepShown {
parent_id?: (string | null)
step_id: string
}
/**
 * Something that is wrong now and stays in the state until it is over.
 */
export interface StandingFault {
sentence: string
since: string
what: ("lab_away" | "board_stalled" | "bus_away")
}
/**
 * State of the daemon, up, once a second and on every change.
 */
export interface LabStatus {
bus?: ("connected" | "away")
bytes_free?: (number | null)
clock_sd_ms?: (number | null)
loss_fraction?: number
measured_rate_hz?: (number | null)
ordinal?: number
preview_rate_hz?: number
recording_id?: (string | null)
replay?: (ReplayPosition | null)
sample_age_ms?: (number | null)
sample_index?: number
sampling_rate_hz?: number
sentence: string
session_id?: (string | null)
state: ("connecting" | "streaming" | "recording" | "stalled" | "ended")
time_lsl_s?: (number | null)
type: "status"
}
/**
 * Where a replay is.
 */
export interface ReplayPosition {
duration_s: number
paused?: boolean
position_s: number
}
/**
 * Something that happened to the session and is worth reading: a comment, a rating, a hold, a pause.
 */
export interface SessionNote {
at: string
position: number
text: string
what: string
who: string
}
/**
 * Signal quality, down.
 */
export interface OperatorQuality {
channels: ChannelQuality[]
stream?: (StreamQuality | null)
type: "quality"
}
/**
 * One channel over the last second.
 */
export interface ChannelQuality {
bad?: boolean
bridged_with?: (string | null)
emg_ratio?: (number | null)
flat?: boolean
mains_ratio?: (number | null)
missing?: number
name: string
railed?: boolean
reasons?: string[]
rms_uv: number
}
/**
 * The stream as a whole over the last seconds; None where a figure does not apply (virtual clock) or is not known yet.
 */
export interface StreamQuality {
blinks_per_min?: (number | null)
drift_ppm?: (number | null)
jitter_ms?: (number | null)
loss_fraction?: number
reasons?: string[]
sample_age_ms?: (number | null)
}
/**
 * Electrode impedance while it is being measured, down.
 */
export interface OperatorImpedance {
channels: ChannelImpedance[]
measuring?: (string | null)
type: "impedance"
}
/**
 * Impedance of one electrode; None until it has been measured for a second.
 */
export interface ChannelImpedance {
bad?: boolean
impedance_kohm?: (number | null)
name: string
}
/**
 * Something the operator must know now, down.
 */
export interface OperatorAlarm {
at: string
sentence: string
type: "alarm"
what: string
}
/**
 * Committed label rows, down to consumers and the operator page; ``items`` are rows of `rlhb.label.v1`.
 */
export interface CommittedRewards {
items: {
[k: string]: unknown
}[]
session_id: string
type: "rewards"
}
/**
 * The server closes the connection and says why, down.
 */
export interface Refusal {
code?: (RefusalCode | null)
reason: string
remedy: string
type: "refused"
}
/**
 * First message of an operator page, up.
 */
export interface OperatorHello {
token?: (string | null)
type: "hello"
}
/**
 * What the operator wants, up.
 */
export interface OperatorCommand {
channels?: string[]
command: ("start" | "pause" | "resume" | "finish" | "abort" | "calibrate" | "accept" | "hold" | "release" | "comment" | "measure_impedance" | "stop_impedance" | "replay_pause" | "replay_resume" | "replay_seek")
position_s?: (number | null)
text?: string
type: "command"
}
/**
 * The page is the session's page now, down.
 */
export interface SubjectWelcome {
instruction?: string
n_trials: number
protocol: string
session_id: string
trials_done: number
type: "welcome"
}
/**
 * Answer: t0 as it came, and the answering clock (seconds, monotonic) when the ping came and when this left.
 */
export interface ClockPong {
t0: number
t1: number
t2: number
type: "clock_pong"
}
/**
 * Everything to be shown in one trial, down at once.
 */
export interface Trial {
blank_ms: number
block: number
fixation_ms: number
last_of_block?: boolean
n_trials: number
presentation: string
prompt: string
prompt_ms: number
rating?: (RatingAsked | null)
repeat: number
trial: number
type: "trial"
unit_ms?: (number | null)
units: TrialUnit[]
}
/**
 * A question about the response, asked after its units.
 */
export interface RatingAsked {
high: string
low: string
question: string
scale: RatingScale
text?: (string | null)
}
/**
 * A unit and when to show it.
 */
export interface TrialUnit {
before?: (ShownBefore | null)
char_end?: (number | null)
char_start?: (number | null)
index: number
item_id?: (string | null)
marker?: (MarkerShown | null)
onset_ms: number
response_id?: (string | null)
sign?: (string | null)
step?: (StepShown | null)
text: string
/**
 * What a window is cut around.
 */
time_lock?: ("unit" | "marker" | "response")
words?: ([unknown, unknown, ...(unknown)[]] | null)
}
/**
 * A unit that is read before the sign that its window is cut around.
 */
export interface ShownBefore {
duration_ms: number
onset_ms: number
}
/**
 * The batch is in the server's outbox, down.
 */
export interface OnsetsAck {
batch: number
page_life: string
type: "ack"
}
/**
 * Stop after the current trial; up from either page, down to the subject page.
 */
export interface Pause {
reason?: string
type: "pause"
}
/**
 * Go on; up from either page, down to the subject page.
 */
export interface Resume {
type: "resume"
}
/**
 * The session is over, down.
 */
export interface SessionOver {
reason: string
type: "end"
}
/**
 * First message of a subject page, up.
 */
export interface SubjectHello {
page_life: string
refresh_hz?: (number | null)
take_over?: boolean
token?: (string | null)
type: "hello"
}
/**
 * Ask the other side's clock; both directions of every websocket understand it.
 */
export interface ClockPing {
t0: number
type: "clock_ping"
}
/**
 * The subject is ready for the next trial, up.
 */
export interface Ready {
type: "ready"
}
/**
 * What was shown, up; kept by the page until `OnsetsAck` names the batch.
 */
export interface Onsets {
aborted?: boolean
batch: number
page_life: string
page_to_server: ClockFit
presentation: string
rating?: (RatingGiven | null)
trial_ended?: boolean
type: "onsets"
units: ShownUnit[]
}
/**
 * One hop between two clocks: time there = time here + offset.
 */
export interface ClockFit {
drift_ppm?: number
offset_s: number
rtt_ms: number
sd_ms: number
}
/**
 * What the subject answered.
 */
export interface RatingGiven {
rt_ms: number
scale: RatingScale
value: number
}
/**
 * Frame times of one unit on the page's clock (`performance.now()`, milliseconds).
 */
export interface ShownUnit {
frames_missed?: number
index: number
offset_page_ms?: (number | null)
onset_page_ms: number
}
/**
 * A key press or choice, up.
 */
export interface SubjectResponse {
key: string
page_ms: number
presentation: string
type: "response"
}
/**
 * A rating, up.
 */
export interface SubjectRating {
presentation: string
rt_ms: number
scale: string
type: "rating"
value: number
}
