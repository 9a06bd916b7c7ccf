/**
 * Colour of a reward: diverging, orange for perceived errors, blue for good, nothing at zero. Blue and orange stay apart for all
 * common kinds of colour blindness, and every word also states its number.
 */

/** Rewards beyond this are drawn in the full colour. */
export const FULL_REWARD = 0.5;
/** Largest share of the pole's colour, so that the text stays readable on it. */
const FULL_SHARE = 0.78;

export interface RewardColour {
  readonly pole: "good" | "error" | "none";
  /** Share of the pole's colour over the panel, 0 to 1. */
  readonly share: number;
  /** The interval reward ± sd contains zero. */
  readonly uncertain: boolean;
}

/**
 * @param reward 2(π − p_error), null where there is no value
 * @param rewardSd standard deviation of the reward; the colour fades by 1 / (1 + (sd / 0.5)²)
 */
export function rewardColour(reward: number | null, rewardSd: number | null): RewardColour {
  if (reward === null || !Number.isFinite(reward)) return { pole: "none", share: 0, uncertain: true };
  const sd = rewardSd !== null && Number.isFinite(rewardSd) ? Math.max(0, rewardSd) : 0;
  const size = Math.min(1, Math.abs(reward) / FULL_REWARD);
  const share = (FULL_SHARE * size) / (1 + (sd / FULL_REWARD) ** 2);
  return { pole: reward > 0 ? "good" : reward < 0 ? "error" : "none", share, uncertain: sd >= Math.abs(reward) };
}

/** The colour as CSS; the poles are the page's variables, so both colour schemes have their own. */
export function cssColour(colour: RewardColour): string {
  if (colour.pole === "none" || colour.share === 0) return "transparent";
  return `color-mix(in oklab, var(--reward-${colour.pole}) ${(100 * colour.share).toFixed(1)}%, transparent)`;
}
