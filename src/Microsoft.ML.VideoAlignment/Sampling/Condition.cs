using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// What a denoiser is told besides latents and timestep. Every tensor has the batch as its first axis; a family fills what its network reads.
/// </summary>
internal sealed record Condition : IDisposable
{
    /// <summary>[B, L, D]: text states; for image to video the embedding of the image.</summary>
    public required Tensor Text { get; init; }

    /// <summary>int64 [B, L], 1 for tokens that count; null: all do.</summary>
    public Tensor? TextMask { get; init; }

    /// <summary>
    /// [B, c, h, w]: the encoded image that the video starts from. Or [B, c, T', h, w]: what is given of frames, see <see cref="FrameMask"/>.
    /// </summary>
    public Tensor? ImageLatents { get; init; }

    /// <summary>[B, n, E]: an image encoder's states of the images that the video is made from, beside the text; null: the network reads none.</summary>
    public Tensor? ImageStates { get; init; }

    /// <summary>[B, n]: frame rate, motion bucket and the like, in the family's order.</summary>
    public Tensor? Scalars { get; init; }

    /// <summary>[B, T'], for each latent frame how much of it is to be made: 1 wholly, 0 given. Null: all ones.</summary>
    public Tensor? FrameMask { get; init; }

    /// <summary>Tokens of each row's text up to the last that counts, B numbers that the host knows; null: it has to read the mask.</summary>
    public IReadOnlyList<long>? TextLengths { get; init; }

    /// <summary>Frames a second of each row, B numbers that the host knows; null: it has to read the scalars.</summary>
    public IReadOnlyList<float>? FrameRates { get; init; }

    /// <summary>The size of the video, which some networks are told.</summary>
    public required VideoSize Size { get; init; }

    /// <summary>Joins the rows of all parts, one part after another.</summary>
    /// <param name="parts">Conditions of videos of one size that have the same tensors.</param>
    public static Condition Stack(params IReadOnlyList<Condition> parts)
    {
        return parts[0] with
        {
            Text = Rows(part => part.Text)!,
            TextMask = Rows(part => part.TextMask),
            ImageLatents = Rows(part => part.ImageLatents),
            ImageStates = Rows(part => part.ImageStates),
            Scalars = Rows(part => part.Scalars),
            FrameMask = Rows(part => part.FrameMask),
            TextLengths = Known(part => part.TextLengths),
            FrameRates = Known(part => part.FrameRates),
        };

        IReadOnlyList<T>? Known<T>(Func<Condition, IReadOnlyList<T>?> numbers) =>
            parts.All(part => numbers(part) is not null) ? [.. parts.SelectMany(part => numbers(part)!)] : null;

        Tensor? Rows(Func<Condition, Tensor?> tensor) => tensor(parts[0]) is null ? null : Ops.Cat([.. parts.Select(part => tensor(part)!)]);
    }

    /// <summary>Selects rows, in the order given.</summary>
    /// <param name="rows">Indices of rows; one may come more than once.</param>
    public Condition Rows(params IReadOnlyList<int> rows)
    {
        using Tensor index = DeviceTable.Create([.. rows.Select(static row => (long)row)], Text.device);
        return Map(part => Ops.IndexSelect(part, 0, index)) with
        {
            TextLengths = TextLengths is { } lengths ? [.. rows.Select(row => lengths[row])] : null,
            FrameRates = FrameRates is { } rates ? [.. rows.Select(row => rates[row])] : null,
        };
    }

    /// <summary>Replaces every tensor.</summary>
    /// <param name="map">Makes a tensor of the same axes from each.</param>
    public Condition Map(Func<Tensor, Tensor> map) => this with
    {
        Text = map(Text),
        TextMask = TextMask is null ? null : map(TextMask),
        ImageLatents = ImageLatents is null ? null : map(ImageLatents),
        ImageStates = ImageStates is null ? null : map(ImageStates),
        Scalars = Scalars is null ? null : map(Scalars),
        FrameMask = FrameMask is null ? null : map(FrameMask),
    };

    /// <summary>Counts the bytes of every tensor.</summary>
    public long CountBytes() => Parts.Sum(static part => part.Tensor is { } tensor ? tensor.numel() * tensor.element_size() : 0);

    /// <summary>The same tensors, kept alive beyond the scope they were made in.</summary>
    public Condition DetachFromDisposeScope() => Map(static tensor => tensor.DetachFromDisposeScope());

    /// <summary>Writes every tensor and the size into a section of a run's state.</summary>
    /// <param name="state">The section.</param>
    public void Save(StateWriter state)
    {
        state.Write("frames", Size.Frames);
        state.Write("height", Size.Height);
        state.Write("width", Size.Width);
        foreach ((string name, Tensor? tensor) in Parts.Where(part => part.Tensor is not null))
        {
            state.Write(name, tensor!);
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="state">The section.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <returns>Tensors that no dispose scope owns; the caller does.</returns>
    public static Condition Load(StateReader state, Device device)
    {
        Tensor? Part(string name) => state.Has(name) ? state.ReadAnyTensor(name, device) : null;
        Tensor? mask = Part(nameof(TextMask)), scalars = Part(nameof(Scalars));
        return new Condition
        {
            Text = state.ReadAnyTensor(nameof(Text), device),
            TextMask = mask,
            ImageLatents = Part(nameof(ImageLatents)),
            ImageStates = Part(nameof(ImageStates)),
            Scalars = scalars,
            FrameMask = Part(nameof(FrameMask)),
            TextLengths = mask is { ndim: 2 } ? HostRead.UsedColumns(mask) : null,
            FrameRates = scalars is { ndim: 2 } && scalars.shape[1] == 1 ? HostRead.Numbers<float>(scalars.to_type(ScalarType.Float32)) : null,
            Size = new VideoSize((int)state.ReadInteger("frames", 1, int.MaxValue),
                (int)state.ReadInteger("height", 1, int.MaxValue), (int)state.ReadInteger("width", 1, int.MaxValue)),
        };
    }

    public void Dispose()
    {
        foreach ((_, Tensor? tensor) in Parts)
        {
            tensor?.Dispose();
        }
    }

    private IEnumerable<(string Name, Tensor? Tensor)> Parts =>
    [
        (nameof(Text), Text), (nameof(TextMask), TextMask), (nameof(ImageLatents), ImageLatents), (nameof(ImageStates), ImageStates),
        (nameof(Scalars), Scalars), (nameof(FrameMask), FrameMask),
    ];
}
