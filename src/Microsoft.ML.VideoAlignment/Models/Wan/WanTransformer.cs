using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The denoiser of Wan 2.1 and 2.2 (Wan et al. 2025, arXiv 2503.20314): a diffusion transformer whose blocks attend over the whole video and to the text.
/// Reference: diffusers, <c>WanTransformer3DModel</c>, whose keys it has; <see cref="WanTransformerKeys"/> maps those of Wan's own files.
/// </summary>
internal sealed class WanTransformer : nn.Module
{
    [ComponentName(Name = "patch_embedding")]
    private readonly TubeletProjection _patches;

    [ComponentName(Name = "condition_embedder")]
    private readonly WanConditionEmbedder _conditions;

    [ComponentName(Name = "blocks")]
    private readonly TorchSharp.Modules.ModuleList<WanBlock> _blocks;

    [ComponentName(Name = "scale_shift_table")]
    private readonly Parameter _table;

    [ComponentName(Name = "proj_out")]
    private readonly Linear _head;

    public WanTransformer(WanTransformerConfig config, Placement placement)
        : base(nameof(WanTransformer))
    {
        config.Validate();
        Config = config;
        (long frames, long rows, long columns) = config.PatchSize;
        _patches = new TubeletProjection(config.InChannels, config.Width, frames, rows, columns, placement);
        _conditions = new WanConditionEmbedder(config, placement);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, (int)config.Depth).Select(_ => new WanBlock(config, placement))]);
        _table = placement.Wide.Parameter(1, 2, config.Width);
        _head = new Linear(config.Width, config.PatchValues, placement);
        RegisterComponents();
    }

    public WanTransformerConfig Config { get; }

    /// <summary>Predicts from noisy latents.</summary>
    /// <param name="x">[B, C, T, h, w], whole patches along each axis; mask and image condition, where it has them, are channels behind the latents'.</param>
    /// <param name="timestep">From 0 to 1000, [R] or [R, F] with R = B or 1. F divides the tokens, which are ordered time, row, column: 1; one for each latent
    /// frame; or one for each token. It belongs to as many tokens as there are of them, over F.</param>
    /// <param name="text">[B, L, E]. Every row takes part: behind a text the reference has zeros up to 512 rows.</param>
    /// <param name="image">The image encoder's states, see <see cref="WanImageEmbedder.Forward"/>; null where the network has no image branch.</param>
    /// <returns>[B, c, T, h, w], at least float32.</returns>
    /// <exception cref="ArgumentException">A shape does not fit the network, or an image is missing or too many.</exception>
    public Tensor Forward(Tensor x, Tensor timestep, Tensor text, Tensor? image = null)
    {
        Shapes.Require(x, $"B, {Config.InChannels}, T, h, w");
        Shapes.Require(text, $"{x.shape[0]}, L, {Config.TextWidth}");
        using DisposeScope scope = NewDisposeScope();
        (long Frames, long Rows, long Columns) grid = RequireGrid(x);
        Tensor times = RequireTimes(timestep, x.shape[0], grid.Frames * grid.Rows * grid.Columns);
        RequireImage(image);
        Tensor tokens = _patches.forward(x); // [B, N, D]
        Tensor embedded = _conditions.EmbedTime(times, tokens.dtype), time = _conditions.ProjectTime(embedded);
        Tensor projected = _conditions.EmbedText(text.to_type(tokens.dtype));
        Tensor? seen = image is null ? null : _conditions.EmbedImage(image.to_type(tokens.dtype), x.shape[0]);
        Tensor turns = WanRotaryPositions.Create(grid, Config.HeadSize, x.device);
        foreach (WanBlock block in _blocks)
        {
            tokens = Block(block, tokens, projected, seen, time, turns);
        }

        Tensor patches = Head(tokens, embedded);
        return PatchLayout.Join(patches, grid, Config.PatchSize, Config.OutChannels).to_type(Placement.ComputeDtype(x.dtype)).MoveToOuterDisposeScope();
    }

    private static Tensor Block(WanBlock block, Tensor x, Tensor text, Tensor? image, Tensor time, Tensor rotations)
    {
        // Every tensor must be among the inputs, or it is gone when the block runs again.
        Tensor[] inputs = [x, text, time, rotations, .. new[] { image }.OfType<Tensor>()];
        return Recompute.Run(given => block.Forward(given[0], given[1], image is null ? null : given[4], given[2], given[3]), inputs);
    }

    // Modulated norm and Linear to the values of a patch, by the embedded time itself and not the blocks' projection of it.
    private Tensor Head(Tensor tokens, Tensor time)
    {
        Tensor[] rows = Modulation.SplitRows(_table.squeeze(0), time); // shift, scale
        Tensor groups = tokens.unflatten(1, [time.shape[1], -1]);
        return _head.forward(Modulation.Normalize(groups, rows[0], rows[1], Config.Eps).flatten(1, 2));
    }

    private (long Frames, long Rows, long Columns) RequireGrid(Tensor x)
    {
        (long frames, long rows, long columns) = Config.PatchSize;
        if (x.shape[2] % frames != 0 || x.shape[3] % rows != 0 || x.shape[4] % columns != 0)
        {
            throw new ArgumentException(
                $"x: expected latent frames, rows and columns in multiples of the patch {Config.PatchSize}, got {Shapes.Describe(x)}. "
                + "Choose another size of the video.", nameof(x));
        }

        (long Frames, long Rows, long Columns) grid = _patches.Grid(x);
        long longest = Math.Max(grid.Frames, Math.Max(grid.Rows, grid.Columns));
        return longest <= Config.MaxPositions && longest > 0 && Math.Min(grid.Frames, Math.Min(grid.Rows, grid.Columns)) > 0 ? grid
            : throw new ArgumentException(
                $"x: expected 1 to {Config.MaxPositions} (rope_max_seq_len) tokens along each axis, got {grid} from {Shapes.Describe(x)}.", nameof(x));
    }

    // [R, F].
    private static Tensor RequireTimes(Tensor timestep, long batch, long tokens)
    {
        long[] shape = timestep.shape;
        bool fits = shape.Length is 1 or 2 && (shape[0] == batch || shape[0] == 1) && (shape.Length == 1 || (shape[1] > 0 && tokens % shape[1] == 0));
        return fits ? timestep.view(shape[0], -1)
            : throw new ArgumentException(
                $"timestep: expected [{batch}] or [{batch}, F] with F a divisor of the {tokens} tokens (1 row stands for all), "
                    + $"got {Shapes.Describe(timestep)}.",
                nameof(timestep));
    }

    private void RequireImage(Tensor? image)
    {
        if (image is null == Config.HasImageBranch)
        {
            throw new ArgumentException(
                Config.HasImageBranch
                    ? "image: expected the image encoder's states, which this network (image to video) reads beside the text, got none."
                    : $"image: expected none, as this network has no image branch, got {Shapes.Describe(image!)}.",
                nameof(image));
        }
    }
}
