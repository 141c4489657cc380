using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment;

/// <summary>How thoroughly <see cref="GradientCheck"/> compares, and what it accepts.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>
    /// The prompts of the videos, in turn; by default three of the embedded models. A reward that knows only some prompts needs one of those.
    /// </summary>
    public IReadOnlyList<string> Prompts { get; init; } =
        ["a red circle moving right on a dark background", "a blue square growing on a light background", "a green cross moving up on a dark background"];

    /// <summary>The seed of everything random: LoRA factors, noise, window starts and frames, directions, images. 1 by default.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Random directions over all adapters, at least 1; 2 by default. One more goes along the gradient itself.</summary>
    public int Directions { get; init; } = 2;

    /// <summary>
    /// Parts of the adapters that get a direction of their own, at least 0: the lower factors, the upper factors, then single layers drawn at random. 4 by
    /// default.
    /// </summary>
    public int Parts { get; init; } = 4;

    /// <summary>
    /// The step of the difference quotients, as a share of the factors' size, above 0; 3e-5 by default. It is up to a hundred times longer where the loss
    /// hardly changes, and shorter near a kink.
    /// </summary>
    /// <remarks>In float64 the error of the extrapolated quotient is of fourth order in the step, plus rounding of about 1e-16 divided by it.</remarks>
    public double StepSize { get; init; } = 3e-5;

    /// <summary>
    /// The largest relative difference that passes, above 0; 1e-6 by default: right gradients reach 1e-8 to 1e-11, and the smallest error of a forgotten term
    /// is 1e-3.
    /// </summary>
    public double Tolerance { get; init; } = 1e-6;

    /// <summary>
    /// Whether gradients that must be equal are compared as well: with and without recomputation, in parts and whole, by equal windows. True by default.
    /// </summary>
    public bool Invariants { get; init; } = true;

    /// <summary>Whether the direction along the gradient itself is compared as well; the random ones find whatever it finds.</summary>
    internal bool AlongGradient { get; init; } = true;

    /// <summary>Checks all ranges.</summary>
    /// <exception cref="ArgumentException">An option is invalid; the message lists every fault.</exception>
    public void Validate()
    {
        var faults = new List<string>();
        Require(Prompts is { Count: > 0 }, Prompts?.Count, "at least one prompt");
        Require(Prompts is null || Prompts.All(static prompt => prompt is not null), null, "texts");
        Require(Directions >= 1, Directions, "at least 1");
        Require(Parts >= 0, Parts, "at least 0");
        Require(StepSize > 0 && double.IsFinite(StepSize), StepSize, "above 0");
        Require(Tolerance > 0 && double.IsFinite(Tolerance), Tolerance, "above 0");
        if (faults.Count > 0)
        {
            throw new ArgumentException($"{nameof(GradientCheckOptions)}: {string.Join(' ', faults)}", "options");
        }

        void Require(bool holds, object? value, string expected, [CallerArgumentExpression(nameof(holds))] string name = "")
        {
            if (!holds)
            {
                faults.Add(FormattableString.Invariant($"{name.Split(' ')[0]} must be {expected}, got {value ?? "null"}."));
            }
        }
    }
}
