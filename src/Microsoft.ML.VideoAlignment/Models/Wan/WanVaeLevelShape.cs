namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>The sizes of one level of the encoder or decoder.</summary>
/// <param name="InChannels">Channels that it is given.</param>
/// <param name="OutChannels">Channels of its residual blocks.</param>
/// <param name="Resamples">Whether a change of size follows the residual blocks.</param>
/// <param name="ResamplesTime">Whether the number of frames changes too.</param>
internal readonly record struct WanVaeLevelShape(long InChannels, long OutChannels, bool Resamples, bool ResamplesTime)
{
    /// <summary>Frames that become one, or that one becomes.</summary>
    public long TimeFactor => ResamplesTime ? 2 : 1;

    /// <summary>Pixels along each side that become one, or that one becomes.</summary>
    public long SpaceFactor => Resamples ? 2 : 1;

    /// <summary>Input channels times the pixels and frames that become one.</summary>
    public long Folded => InChannels * TimeFactor * SpaceFactor * SpaceFactor;

    /// <summary>Output channels times the pixels and frames that one becomes.</summary>
    public long Unfolded => OutChannels * TimeFactor * SpaceFactor * SpaceFactor;

    /// <summary>Levels of the encoder, from the full size down.</summary>
    /// <param name="config">The autoencoder.</param>
    public static WanVaeLevelShape[] Encoder(WanVaeConfig config)
    {
        long[] widths = [config.BaseDim, .. config.Multipliers.Select(multiplier => config.BaseDim * multiplier)];
        return [.. config.Multipliers.Select((_, level) => new WanVaeLevelShape(
            widths[level], widths[level + 1], level < config.Halves.Count, level < config.Halves.Count && config.Halves[level]))];
    }

    /// <summary>Levels of the decoder, from the deepest up. Where levels are not residual, enlarging halves the channels.</summary>
    /// <param name="config">The autoencoder.</param>
    public static WanVaeLevelShape[] Decoder(WanVaeConfig config)
    {
        long dim = config.DecoderBaseDim ?? config.BaseDim;
        long[] widths = [config.Multipliers[^1] * dim, .. config.Multipliers.Reverse().Select(multiplier => multiplier * dim)];
        int steps = config.Halves.Count;
        return [.. config.Multipliers.Select((_, level) => new WanVaeLevelShape(
            level > 0 && !config.IsResidual ? widths[level] / 2 : widths[level], widths[level + 1], level < steps,
            level < steps && config.Halves[steps - 1 - level]))];
    }

    /// <summary>Checks that every level's channels can be averaged and repeated (<see cref="WanVaeShortcuts"/>).</summary>
    /// <param name="config">A residual autoencoder.</param>
    /// <exception cref="InvalidDataException">Some cannot.</exception>
    public static void RequireShortcuts(WanVaeConfig config)
    {
        foreach (WanVaeLevelShape level in Encoder(config).Where(level => level.Folded % level.OutChannels != 0))
        {
            throw new InvalidDataException(
                $"config: base_dim and dim_mult: {level.InChannels} channels folded to {level.Folded} cannot be averaged to {level.OutChannels}.");
        }

        foreach (WanVaeLevelShape level in Decoder(config).Where(level => level.Resamples && level.Unfolded % level.InChannels != 0))
        {
            throw new InvalidDataException(
                $"config: decoder_base_dim and dim_mult: {level.InChannels} channels cannot be repeated to {level.Unfolded} for {level.OutChannels}.");
        }
    }
}
