using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// Multi-head attention with scale 1/sqrt(head size); queries, keys and values without bias by default, the output with one. Reference: diffusers,
/// <c>Attention</c>.
/// </summary>
/// <remarks>Keys <c>to_q</c>, <c>to_k</c>, <c>to_v</c>, <c>to_out.0</c>.</remarks>
internal sealed class Attention : nn.Module
{
    [ComponentName(Name = "to_q")]
    private readonly Linear _toQ;

    [ComponentName(Name = "to_k")]
    private readonly Linear _toK;

    [ComponentName(Name = "to_v")]
    private readonly Linear _toV;

    [ComponentName(Name = "to_out")]
    private readonly TorchSharp.Modules.ModuleList<Linear> _toOut;

    [ComponentName(Name = "relative_position_k")]
    private readonly RelativePositions? _relativeKeys;

    [ComponentName(Name = "relative_position_v")]
    private readonly RelativePositions? _relativeValues;

    private readonly long _heads;
    private readonly long _headSize;

    /// <summary>Makes the layer.</summary>
    /// <param name="width">D.</param>
    /// <param name="contextWidth">E, width of what keys and values come from.</param>
    /// <param name="heads">h.</param>
    /// <param name="headSize">d.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <param name="bias">Whether queries, keys and values have one.</param>
    /// <param name="relativePositions">The largest distance in frames that <see cref="AttendOverTime"/> tells apart (Shaw et al. 2018); null: it tells
    /// none.</param>
    public Attention(long width, long contextWidth, long heads, long headSize, Placement placement, bool bias = false, long? relativePositions = null)
        : base(nameof(Attention))
    {
        long inner = heads * headSize;
        _toQ = new Linear(width, inner, placement, bias);
        _toK = new Linear(contextWidth, inner, placement, bias);
        _toV = new Linear(contextWidth, inner, placement, bias);
        _toOut = nn.ModuleList(new Linear(inner, width, placement));
        _relativeKeys = relativePositions is { } reach ? new RelativePositions(reach, headSize, placement) : null;
        _relativeValues = relativePositions is { } same ? new RelativePositions(same, headSize, placement) : null;
        (_heads, _headSize) = (heads, headSize);
        RegisterComponents();
    }

    /// <summary>residual + attention of x to itself.</summary>
    /// <param name="x">[N, L, D].</param>
    /// <param name="residual">[N, L, D].</param>
    /// <returns>[N, L, D].</returns>
    public Tensor AttendToSelf(Tensor x, Tensor residual)
    {
        using DisposeScope scope = NewDisposeScope();
        RecordUse(keys: x.shape[1]);
        Tensor[] qkv = [Heads(_toQ.forward(x)), Heads(_toK.forward(x)), Heads(_toV.forward(x))];
        return Output(Attend(qkv[0], qkv[1], qkv[2]), residual).MoveToOuterDisposeScope();
    }

    /// <summary>residual + attention of x to a context. Keys and values are computed once per video, not once per frame.</summary>
    /// <param name="x">[N, L, D].</param>
    /// <param name="context">[B, M, E], B divides N: row n attends to context n / (N / B).</param>
    /// <param name="residual">[N, L, D].</param>
    /// <returns>[N, L, D].</returns>
    public Tensor AttendToContext(Tensor x, Tensor context, Tensor residual)
    {
        using DisposeScope scope = NewDisposeScope();
        RecordUse(keys: context.shape[1]);
        if (context.shape[1] == 1)
        {
            // All attention is on the only token, whatever the query: its value, once per video. Queries and keys have no gradient either way.
            Tensor only = _toOut[0].forward(_toV.forward(context)); // [B, 1, D]
            return residual.unflatten(0, [context.shape[0], -1]).Add(only.unsqueeze(1)).flatten(0, 1).MoveToOuterDisposeScope();
        }

        Tensor y = AttendOver([context.shape[0], -1, _heads, _headSize], x, context); // [B, (N / B) * L, h, d]
        return Output(y.reshape(x.shape[0], x.shape[1], -1), residual).MoveToOuterDisposeScope();
    }

    /// <summary>residual + attention of every pixel to itself at other times.</summary>
    /// <param name="x">[B, T, P, D].</param>
    /// <param name="residual">[B, T, P, D].</param>
    /// <returns>[B, T, P, D].</returns>
    public Tensor AttendOverTime(Tensor x, Tensor residual)
    {
        using DisposeScope scope = NewDisposeScope();
        RecordUse(keys: x.shape[1]);
        Tensor y = _relativeKeys is null ? AttendOver([x.shape[0], x.shape[1], -1, _headSize], x, x) : AttendWithDistances(x); // [B, T, P*h, d]
        return Output(y.reshape(x.shape[0], x.shape[1], x.shape[2], -1), residual).MoveToOuterDisposeScope();
    }

    /// <summary>Softmax(q k^T / sqrt(d)) v, heads joined.</summary>
    /// <param name="q">[N, h, L, d].</param>
    /// <param name="k">[N, h, M, d].</param>
    /// <param name="v">[N, h, M, d].</param>
    /// <returns>[N, L, h*d].</returns>
    internal static Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        using Tensor y = Ops.Attention(q, k, v);
        using Tensor tokens = y.transpose(1, 2);
        return tokens.flatten(2);
    }

    /// <summary>Softmax(q k^T / sqrt(d) + bias) v along the second axis, each of the G rows for itself.</summary>
    /// <param name="q">[B, L, G, d].</param>
    /// <param name="k">[B, M, G, d].</param>
    /// <param name="v">[B, M, G, d].</param>
    /// <param name="bias">[B, M], added to the scores of every query; null: none.</param>
    /// <returns>[B, L, G, d].</returns>
    internal static Tensor AttendAlong(Tensor q, Tensor k, Tensor v, Tensor? bias = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return (ComputeDevice.IsCpu(q) ? Plain(q.Mul(1 / Math.Sqrt(q.shape[3])), k, v, bias) : Fused(q, k, v, bias)).MoveToOuterDisposeScope();
    }

    private Tensor AttendOver(long[] split, Tensor x, Tensor context)
    {
        long[] contextSplit = [context.shape[0], context.shape[1], .. split[2..]];
        bool plain = ComputeDevice.IsCpu(x);
        Tensor q = (plain ? _toQ.ForwardScaled(x, 1 / Math.Sqrt(_headSize)) : _toQ.forward(x)).view(split);
        Tensor k = _toK.forward(context).view(contextSplit), v = _toV.forward(context).view(contextSplit);
        return plain ? Plain(q, k, v, bias: null) : Fused(q, k, v, bias: null);
    }

    private static Tensor Fused(Tensor q, Tensor k, Tensor v, Tensor? bias)
    {
        Tensor? mask = bias?.unsqueeze(1).unsqueeze(1); // [B, 1, 1, M]
        return Ops.Attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask).transpose(1, 2);
    }

    // With queries that are scaled already. On the CPU plain batched products are faster than the fused kernel where G is large and L small (time) or M small
    // (text): they read the strided rows as they lie.
    private static Tensor Plain(Tensor q, Tensor k, Tensor v, Tensor? bias)
    {
        Tensor[] queries = q.unbind(0), keys = k.unbind(0), values = v.unbind(0);
        return stack(queries.Select((rows, i) =>
        {
            Tensor scores = Ops.Bmm(rows.transpose(0, 1), keys[i].permute(1, 2, 0)); // [G, L, M]
            scores = bias is null ? scores : scores.Add(bias[i]);
            Tensor y = Ops.Bmm(scores.softmax(-1), values[i].transpose(0, 1)); // [G, L, d]
            return y.transpose(0, 1);
        }));
    }

    // AttendOver in time, with distances: logits = (q.k + q.R_k[s - t]) / sqrt(d), out = P v + P.R_v[s - t] (Shaw et al. 2018, arXiv 1803.02155, eq. 3 and 4).
    // x [B, T, P, D] -> [B, T, P*h, d].
    private Tensor AttendWithDistances(Tensor x)
    {
        (long batch, long frames) = (x.shape[0], x.shape[1]);
        Tensor Rows(Tensor y) => y.reshape(batch, frames, -1, _headSize).transpose(0, 1).flatten(1, 2); // [T, G, d], G = B*P*h
        Tensor q = Rows(_toQ.ForwardScaled(x, 1 / Math.Sqrt(_headSize))), k = Rows(_toK.forward(x)), v = Rows(_toV.forward(x));
        Tensor byPlace = Ops.Bmm(q, _relativeKeys!.LookUp(frames, x.dtype).transpose(1, 2)).transpose(0, 1);
        Tensor logits = Ops.Bmm(q.transpose(0, 1), k.permute(1, 2, 0)).Add(byPlace); // [G, T, S]
        Tensor weights = logits.softmax(-1);
        Tensor ofPlaces = Ops.Bmm(weights.transpose(0, 1), _relativeValues!.LookUp(frames, x.dtype));
        Tensor y = Ops.Bmm(weights, v.transpose(0, 1)).transpose(0, 1).Add(ofPlaces); // [T, G, d]
        return y.unflatten(1, [batch, -1]).transpose(0, 1);
    }

    // Over one key the softmax is 1 whatever queries and keys are.
    private void RecordUse(long keys)
    {
        _toQ.Slot.RecordUse(matters: keys > 1);
        _toK.Slot.RecordUse(matters: keys > 1);
    }

    private Tensor Output(Tensor y, Tensor residual) => _toOut[0].ForwardAdded(y, residual);

    // [N, L, h*d] -> [N, h, L, d], a view.
    private Tensor Heads(Tensor x) => x.unflatten(2, [_heads, _headSize]).transpose(1, 2);
}
