using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// One run of a causal network over a segment: gives each layer the frames before the segment, and keeps the segment's last frames for the next one. A video
/// that is run segment by segment is the same as one that is run whole.
/// </summary>
/// <remarks>
/// Layers ask in their order of use, which is the same in every run. Images of a segment are [B*T, C, H, W], frames of a video adjacent.
/// </remarks>
internal sealed class CausalPass : IDisposable
{
    private readonly long _batch;
    private readonly IReadOnlyList<Tensor> _past;
    private readonly bool _keeps;
    private readonly List<Tensor> _kept = [];
    private int _taken;

    private CausalPass(long batch, bool isStart, IReadOnlyList<Tensor> past, bool keeps) =>
        (_batch, IsStart, _past, _keeps) = (batch, isStart, past, keeps);

    /// <summary>Whether the segment has the video's first frame.</summary>
    public bool IsStart { get; }

    /// <summary>A run over whole videos.</summary>
    /// <param name="batch">B, the number of videos.</param>
    public static CausalPass Whole(long batch) => new(batch, isStart: true, [], keeps: false);

    /// <summary>A run over a segment that ends a video or is followed by another.</summary>
    /// <param name="batch">B, the number of videos.</param>
    /// <param name="before">What the segment before kept; null: this is the first.</param>
    public static CausalPass Segment(long batch, CausalState? before) => new(batch, before is null, before?.Frames ?? [], keeps: true);

    /// <summary>A run over the last frames of a segment as if zeros were before them, for results that are cut off in the end.</summary>
    /// <param name="batch">B, the number of videos.</param>
    public static CausalPass WithoutPast(long batch) => new(batch, isStart: false, [], keeps: false);

    /// <summary>Images as segments with their channels last.</summary>
    /// <param name="images">[B*T, C, H, W].</param>
    /// <returns>[B, T, H, W, C], a view where the images lie channels-last.</returns>
    public Tensor ToSegments(Tensor images)
    {
        using Tensor last = images.permute(0, 2, 3, 1);
        return last.unflatten(0, [_batch, -1]);
    }

    /// <summary>Segments with their channels last as images.</summary>
    /// <param name="segments">[B, T, H, W, C].</param>
    /// <returns>[B*T, C, H, W].</returns>
    public static Tensor ToImages(Tensor segments)
    {
        using Tensor images = segments.flatten(0, 1);
        return images.permute(0, 3, 1, 2);
    }

    /// <summary>Puts the frames before a segment in front of it, and keeps as many of its last frames for the next segment.</summary>
    /// <param name="segments">[B, T, H, W, C]; T may be 0.</param>
    /// <param name="count">P, how many frames.</param>
    /// <param name="zeros">Whether zeros stand before the video's first frame; false: nothing does.</param>
    /// <returns>[B, P + T, H, W, C]; at the start of a video without zeros [B, T, H, W, C].</returns>
    public Tensor WithPast(Tensor segments, long count, bool zeros = true)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? past = _past.Count > 0 ? _past[_taken++]
            : zeros ? torch.zeros([segments.shape[0], count, .. segments.shape[2..]], dtype: segments.dtype, device: segments.device)
            : null;
        Tensor joined = past is null ? segments.alias() : cat([past, segments], dim: 1);
        if (_keeps)
        {
            _kept.Add(joined.narrow(1, joined.shape[1] - count, count).clone().DetachFromDisposeScope());
        }

        return joined.MoveToOuterDisposeScope();
    }

    /// <summary>Runs a block of the network, which the backward pass recomputes where blocks are recomputed.</summary>
    /// <param name="block">The block.</param>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <returns>[B*T', C', H', W'].</returns>
    public Tensor Run(CausalBlock block, Tensor x)
    {
        if (!Recompute.IsActive || !is_grad_enabled())
        {
            return block.Forward(x, this);
        }

        (long batch, bool isStart) = (_batch, IsStart);
        Tensor[] past = TakePast(block);
        return _keeps ? RunAndKeep(block, [x, .. past])
            : Recompute.Run(inputs => block.Forward(inputs[0], new CausalPass(batch, isStart, [.. inputs.Skip(1)], keeps: false)), [x, .. past]);
    }

    /// <summary>Runs a block over parts of the segment in turn, each of which takes what the one before kept.</summary>
    /// <param name="block">The block.</param>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="lengths">Frames of the parts, which add up to T.</param>
    /// <returns>[B*T', C', H', W'].</returns>
    public Tensor RunInTurn(CausalBlock block, Tensor x, IReadOnlyList<long> lengths)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] parts = ToSegments(x).split([.. lengths], dim: 1);
        var results = new List<Tensor>();
        IReadOnlyList<Tensor> past = TakePast(block);
        CausalState? carried = null;
        try
        {
            for (int i = 0; i < parts.Length; i++)
            {
                using var pass = new CausalPass(_batch, IsStart && i == 0, past, keeps: _keeps || i < parts.Length - 1);
                using Tensor part = ToImages(parts[i]);
                results.Add(ToSegments(pass.Run(block, part)));
                CausalState next = pass.HandOver();
                carried?.Dispose();
                (carried, past) = (next, next.Frames);
            }

            if (_keeps)
            {
                _kept.AddRange(carried!.Frames);
                carried = null;
            }
        }
        finally
        {
            carried?.Dispose();
        }

        return ToImages(cat(results, dim: 1)).MoveToOuterDisposeScope();
    }

    /// <summary>Hands over what the next segment needs.</summary>
    /// <returns>A state that belongs to the caller; empty where nothing is kept.</returns>
    public CausalState HandOver()
    {
        var state = new CausalState([.. _kept]);
        _kept.Clear();
        return state;
    }

    /// <summary>Disposes what was kept and not handed over.</summary>
    public void Dispose() => HandOver().Dispose();

    // A recomputed block gives one tensor: the images and what is kept, one after another.
    private Tensor RunAndKeep(CausalBlock block, Tensor[] inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, bool isStart) = (_batch, IsStart);
        (long[] Shape, ScalarType Type)[] forms = [];
        Tensor joined = Recompute.Run(Joined, inputs);
        Tensor[] flat = joined.split([.. forms.Select(form => form.Shape.Aggregate(1L, (product, size) => product * size))]);
        Tensor[] parts = [.. flat.Zip(forms, (part, form) => part.view(form.Shape).to_type(form.Type))];
        _kept.AddRange(parts.Skip(1).Select(part => part.DetachFromDisposeScope()));

        // Images that are the smaller part, such as a segment's frames, would hold the memory of the rest as long as they are needed.
        Tensor images = 2 * parts[0].numel() < joined.numel() ? parts[0].clone() : parts[0];
        return images.permute(0, 3, 1, 2).MoveToOuterDisposeScope();

        Tensor Joined(IReadOnlyList<Tensor> given)
        {
            using DisposeScope inner = NewDisposeScope();
            using var pass = new CausalPass(batch, isStart, [.. given.Skip(1)], keeps: true);
            Tensor images = block.Forward(given[0], pass).permute(0, 2, 3, 1);
            Tensor[] made = [images, .. pass._kept];
            forms = [.. made.Select(part => (part.shape, part.dtype))];
            return cat([.. made.Select(part => part.reshape(-1))]).MoveToOuterDisposeScope();
        }
    }

    private Tensor[] TakePast(CausalBlock block)
    {
        if (_past.Count == 0)
        {
            return [];
        }

        _taken += block.States;
        return [.. _past.Skip(_taken - block.States).Take(block.States)];
    }
}
