using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The autoencoder of Wan 2.1 (Wan Team 2025, arXiv 2503.20314, section 4.1) and of Wan 2.2 TI2V-5B: causal in time, so a video's frames do not depend on later
/// latents, and the first frame stands alone. Reference: diffusers, <c>AutoencoderKLWan</c>, whose keys it has.
/// </summary>
/// <remarks>
/// A function of its inputs: what the reference caches in its layers between pieces of a video is a <see cref="CausalState"/> here, which carries gradient.
/// Whole videos, segments in turn and recomputed segments give the same numbers.
/// </remarks>
internal sealed class WanVae : nn.Module
{
    // Segments up to which the states of all of them wait for the backward pass.
    private const int MostUngrouped = 4;

    [ComponentName(Name = "encoder")]
    private readonly WanVaeEncoder _encoder;

    [ComponentName(Name = "quant_conv")]
    private readonly CausalConv3d _quantConv;

    [ComponentName(Name = "post_quant_conv")]
    private readonly CausalConv3d _postQuantConv;

    [ComponentName(Name = "decoder")]
    private readonly WanVaeDecoder _decoder;

    /// <summary>Makes the autoencoder.</summary>
    /// <param name="config">Its sizes.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVae(WanVaeConfig config, Placement placement)
        : base(nameof(WanVae))
    {
        config.Validate();
        Config = config;
        _encoder = new WanVaeEncoder(config, placement);
        _quantConv = new CausalConv3d(2 * config.LatentChannels, 2 * config.LatentChannels, (1, 1), placement);
        _postQuantConv = new CausalConv3d(config.LatentChannels, config.LatentChannels, (1, 1), placement);
        _decoder = new WanVaeDecoder(config, placement);
        RegisterComponents();
    }

    /// <summary>The autoencoder's sizes.</summary>
    public WanVaeConfig Config { get; }

    /// <summary>Encodes videos to the posterior of their latents, as the network gives them.</summary>
    /// <param name="pixels">[B, 3, T, H, W] in [-1, 1], T 1 more than a multiple of the factor in time, H and W multiples of that in space.</param>
    /// <param name="latentsAtOnce">Latent frames that are encoded at a time, which bounds memory and does not change the result; null: all.</param>
    /// <returns>Mean and log-variance (within [-30, 20]), each [B, z, T', h, w].</returns>
    /// <exception cref="ArgumentException">T, H or W is another; the nearest are named.</exception>
    public (Tensor Mean, Tensor LogVariance) Encode(Tensor pixels, int? latentsAtOnce = null)
    {
        Shapes.Require(pixels, $"B, {WanVaeConfig.PixelChannels}, T, H, W");
        int latents = Config.LatentFrames(pixels.shape[2]);
        RequireSide(pixels.shape[3], "height");
        RequireSide(pixels.shape[4], "width");
        using DisposeScope scope = NewDisposeScope();
        using CausalPass pass = CausalPass.Whole(pixels.shape[0]);
        Tensor images = WanVaePixels.Fold(SegmentImages.Flatten(pixels), Config.PatchSize);
        long[] parts = Parts(latents, latentsAtOnce ?? latents);
        long[] frames = [.. parts.Select((count, i) => i == 0 ? Config.Frames(count) : count * Config.TimeFactor)];
        Tensor moments = _quantConv.Forward(pass.RunInTurn(_encoder.Block, images, frames), pass);
        (Tensor mean, Tensor logVariance) = GaussianPosterior.Split(SegmentImages.Unflatten(moments, latents));
        return (mean.MoveToOuterDisposeScope(), logVariance.MoveToOuterDisposeScope());
    }

    /// <summary>Decodes videos, whole or in segments one after another.</summary>
    /// <param name="z">Latents as the network takes them [B, z, T', h, w]; those of the first frames alone give the first frames.</param>
    /// <param name="latentsAtOnce">
    /// Latent frames that are decoded at a time, which bounds memory and does not change the result; null: all. Recomputed blocks make each segment one,
    /// and the states between segments wait for the backward pass: in the CPU's memory where inputs of blocks are offloaded; elsewhere groups of segments are
    /// recomputed too, so that as many states wait as twice the root of the number of segments.
    /// </param>
    /// <returns>[B, 3, T, H, W] within [-1, 1]; where the network goes beyond, the gradient is zero.</returns>
    public Tensor Decode(Tensor z, int? latentsAtOnce = null)
    {
        RequireLatents(z);
        using DisposeScope scope = NewDisposeScope();
        return Finish(DecodeFolded(z, latentsAtOnce)).MoveToOuterDisposeScope();
    }

    /// <summary>Decodes the last frames of a video, and of the others what those depend on.</summary>
    /// <param name="z">Latents as the network takes them [B, z, T', h, w].</param>
    /// <param name="count">How many frames.</param>
    /// <returns>[B, 3, count, H, W] within [-1, 1].</returns>
    public Tensor DecodeLast(Tensor z, int count)
    {
        RequireLatents(z);
        using DisposeScope scope = NewDisposeScope();
        return Finish(SegmentImages.Unflatten(_decoder.ForwardLast(Quantized(z), z.shape[0], count), count)).MoveToOuterDisposeScope();
    }

    /// <summary>Decodes a segment of a video.</summary>
    /// <param name="z">The segment's latents as the network takes them [B, z, t', h, w].</param>
    /// <param name="before">The state after the segment before; null: this is the first.</param>
    /// <returns>The segment's frames [B, 3, t, H, W] within [-1, 1], and the state after it, which belongs to the caller.</returns>
    public (Tensor Frames, CausalState State) DecodeSegment(Tensor z, CausalState? before)
    {
        RequireLatents(z);
        using DisposeScope scope = NewDisposeScope();
        using CausalPass pass = CausalPass.Segment(z.shape[0], before);
        Tensor images = pass.Run(_decoder.Block, Quantized(z));
        Tensor frames = Finish(SegmentImages.Unflatten(images, images.shape[0] / z.shape[0]));
        return (frames.MoveToOuterDisposeScope(), pass.HandOver());
    }

    /// <summary>Decodes videos in overlapping tiles that are blended, where a side is larger than a tile; elsewhere as <see cref="Decode"/>.</summary>
    /// <param name="z">Latents as the network takes them [B, z, T', h, w].</param>
    /// <param name="tiling">Sizes of the tiles.</param>
    /// <param name="latentsAtOnce">Latent frames of a tile that are decoded at a time; null: all.</param>
    /// <returns>[B, 3, T, H, W] within [-1, 1].</returns>
    /// <exception cref="ArgumentException">The tiles are not of whole latents, or leave gaps.</exception>
    public Tensor DecodeTiled(Tensor z, WanVaeTiling tiling, int? latentsAtOnce = null)
    {
        RequireLatents(z);
        long side = Config.SpatialFactor;
        tiling.Require(side);
        if (z.shape[3] * side <= tiling.MinHeight && z.shape[4] * side <= tiling.MinWidth)
        {
            return Decode(z, latentsAtOnce);
        }

        using DisposeScope scope = NewDisposeScope();
        var tiles = new WanVaeTiles(tile => DecodeFolded(tile, latentsAtOnce), tiling, side, side / Config.PatchSize);
        return Finish(tiles.Decode(z)).MoveToOuterDisposeScope();
    }

    /// <summary>The denoiser's latents from those of the network: (z - mean) / deviation.</summary>
    /// <param name="z">[B, z, T', h, w].</param>
    /// <returns>The shape of z.</returns>
    public Tensor Standardize(Tensor z)
    {
        using DisposeScope scope = NewDisposeScope();
        return ((z - Statistic(Config.LatentsMean, z)) / Statistic(Config.LatentsDeviation, z)).MoveToOuterDisposeScope();
    }

    /// <summary>The network's latents from those of the denoiser: latents * deviation + mean.</summary>
    /// <param name="latents">[B, z, T', h, w].</param>
    /// <returns>The shape of the latents.</returns>
    public Tensor Destandardize(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        return (latents * Statistic(Config.LatentsDeviation, latents)).Add(Statistic(Config.LatentsMean, latents)).MoveToOuterDisposeScope();
    }

    // [n] -> [1, n, 1, 1, 1].
    private static Tensor Statistic(IReadOnlyList<double> values, Tensor like)
    {
        Tensor table = DeviceTable.ForRun(values, like.dtype, like.device, () => tensor(values.ToArray(), dtype: ScalarType.Float64));
        return table.view(1, -1, 1, 1, 1);
    }

    // Lengths of parts of a video, the last of which may be shorter.
    private static long[] Parts(long frames, long length) =>
        [.. Enumerable.Range(0, (int)((frames + length - 1) / length)).Select(i => Math.Min(length, frames - (i * length)))];

    // [B, z, T', h, w] -> folded pixels [B, c, T, H, W], not clamped.
    private Tensor DecodeFolded(Tensor z, int? latentsAtOnce)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long latents) = (z.shape[0], z.shape[2]);
        using CausalPass pass = CausalPass.Whole(batch);
        Tensor images = Quantized(z);
        ArgumentOutOfRangeException.ThrowIfLessThan(latentsAtOnce ?? 1, 1, nameof(latentsAtOnce));
        if (latentsAtOnce is { } length && length < latents)
        {
            images = Grouped(images, latents, length) is { } group
                ? pass.RunInTurn(InSegments(length, batch), images, Parts(latents, group))
                : InSegments(length, batch).Forward(images, pass);
        }
        else
        {
            images = _decoder.Block.Forward(images, pass);
        }

        return SegmentImages.Unflatten(images, images.shape[0] / batch).MoveToOuterDisposeScope();
    }

    private CausalBlock InSegments(long length, long batch) =>
        new(_decoder.Block.States, (part, pass) => pass.RunInTurn(_decoder.Block, part, Parts(part.shape[0] / batch, length)));

    // Latent frames of a group of segments; null: they are too few for groups, or what waits for the backward pass does not wait on the device.
    private static long? Grouped(Tensor images, long latents, long length)
    {
        double segments = Math.Ceiling((double)latents / length);
        return segments > MostUngrouped && !Recompute.Offloads(images) ? length * (long)Math.Ceiling(Math.Sqrt(segments)) : null;
    }

    // [B, z, T', h, w] -> [B*T', z, h, w].
    private Tensor Quantized(Tensor z)
    {
        using CausalPass pass = CausalPass.Whole(z.shape[0]);
        using Tensor images = SegmentImages.Flatten(z);
        return _postQuantConv.Forward(images, pass);
    }

    // Folded pixels [B, c, T, H, W] -> [B, 3, T, H, W] within [-1, 1].
    private Tensor Finish(Tensor folded)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor images = WanVaePixels.Unfold(SegmentImages.Flatten(folded), Config.PatchSize);
        return Ops.Clamp(SegmentImages.Unflatten(images, folded.shape[2]), -1, 1).MoveToOuterDisposeScope();
    }

    private void RequireLatents(Tensor z) => Shapes.Require(z, $"B, {Config.LatentChannels}, T, h, w");

    private void RequireSide(long pixels, string side)
    {
        long factor = Config.SpatialFactor;
        if (pixels < factor || pixels % factor != 0)
        {
            long below = Math.Max(factor, pixels / factor * factor);
            throw new ArgumentException(
                $"{side}: expected a multiple of {factor} pixels, got {pixels}; the nearest is "
                + $"{(pixels < factor ? $"{factor}" : $"{below} or {below + factor}")}.",
                nameof(pixels));
        }
    }
}
