using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// A change of size by a 3x3 convolution of each frame (<c>resample.1</c>) and, where the number of frames changes, one over time (<c>time_conv</c>), where
/// the video's first frame stays single. Reference: diffusers, <c>WanResample</c>.
/// </summary>
internal sealed class WanVaeResample : nn.Module
{
    [ComponentName(Name = "resample")]
    private readonly SpatialConv _resample;

    [ComponentName(Name = "time_conv")]
    private readonly CausalConv3d? _timeConv;

    private WanVaeResample(Conv2d spatial, CausalConv3d? time, bool enlarges)
        : base(nameof(WanVaeResample))
    {
        _resample = new SpatialConv(spatial);
        _timeConv = time;
        Block = new CausalBlock(time?.Block.States ?? 0, enlarges ? Enlarge : Reduce);
        RegisterComponents();
    }

    /// <summary>The change of size as a part of a causal network.</summary>
    public CausalBlock Block { get; }

    /// <summary>Halves height and width, then the frames after the first.</summary>
    /// <param name="level">The encoder's level that it ends.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public static WanVaeResample Down(WanVaeLevelShape level, Placement placement)
    {
        long channels = level.OutChannels;
        CausalConv3d? time = level.ResamplesTime ? new CausalConv3d(channels, channels, (3, 1), placement, stride: 2, zeros: false) : null;
        return new WanVaeResample(new Conv2d(channels, channels, 3, placement, stride: 2), time, enlarges: false);
    }

    /// <summary>Doubles the frames after the first, then height and width.</summary>
    /// <param name="level">The decoder's level that it ends.</param>
    /// <param name="outChannels">Channels of the result.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public static WanVaeResample Up(WanVaeLevelShape level, long outChannels, Placement placement)
    {
        CausalConv3d? time = level.ResamplesTime ? new CausalConv3d(level.OutChannels, 2 * level.OutChannels, (3, 1), placement) : null;
        return new WanVaeResample(new Conv2d(level.OutChannels, outChannels, 3, placement, padding: 1), time, enlarges: true);
    }

    // x: [B*T, C, H, W] -> [B*T', C, H / 2, W / 2]. Frame j > 0 of the result comes from frames 2j - 2 to 2j.
    private Tensor Reduce(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor small = Downsample2D.ForwardPadded(_resample.Conv, x);
        if (_timeConv is not null)
        {
            Tensor segments = pass.ToSegments(small);
            Tensor halved = _timeConv.ForwardSegments(segments, pass);
            small = CausalPass.ToImages(pass.IsStart ? cat([segments.narrow(1, 0, 1), halved], dim: 1) : halved);
        }

        return small.MoveToOuterDisposeScope();
    }

    // x: [B*T, C, H, W] -> [B*T', C', 2H, 2W].
    private Tensor Enlarge(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frames = _timeConv is null ? x : CausalPass.ToImages(DoubledFrames(_timeConv, pass.ToSegments(x), pass));
        return Upsample2D.Enlarge(_resample.Conv, frames, 2 * x.shape[2], 2 * x.shape[3]).MoveToOuterDisposeScope();
    }

    // The first frame of the video is not seen by the convolution, which has zeros in its place and before it.
    private static Tensor DoubledFrames(CausalConv3d timeConv, Tensor segments, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        long single = pass.IsStart ? 1 : 0, later = segments.shape[1] - single;
        Tensor pairs = timeConv.ForwardSegments(segments.narrow(1, single, later), pass).unflatten(4, [2, -1]); // [B, T, H, W, 2, C]
        Tensor doubled = pairs.permute(0, 1, 4, 2, 3, 5).flatten(1, 2);
        return (single == 0 ? doubled : cat([segments.narrow(1, 0, 1), doubled], dim: 1)).MoveToOuterDisposeScope();
    }

    // Holds the key "1".
    private sealed class SpatialConv : nn.Module
    {
        [ComponentName(Name = "1")]
        public readonly Conv2d Conv;

        public SpatialConv(Conv2d conv)
            : base(nameof(SpatialConv))
        {
            Conv = conv;
            RegisterComponents();
        }
    }
}
