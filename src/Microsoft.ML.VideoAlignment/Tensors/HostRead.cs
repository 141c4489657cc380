using System.Runtime.CompilerServices;
using TorchSharp.Modules;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>The one place where the host reads numbers of a device, for which it waits until the device has done all it was given.</summary>
/// <remarks>
/// Each read tells the flow's observers (<see cref="IRunObserver.HostReads"/>) who reads. Denoising steps read nothing; a training step reads its scores, loss,
/// gradient norm and flags of what is finite. Tensors without numbers, which only have shapes, read as zeros.
/// </remarks>
internal static class HostRead
{
    /// <summary>Reads a tensor of one element.</summary>
    /// <param name="scalar">One element of any numeric type.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>Its value; 0 where there are no numbers.</returns>
    public static double Number(Tensor scalar, [CallerMemberName] string reader = "")
    {
        RunContext.HostReads(reader);
        if (MetaOps.IsMeta(scalar))
        {
            return 0;
        }

        using Scalar value = scalar.ToScalar();
        return value.ToDouble();
    }

    /// <summary>Reads a flag.</summary>
    /// <param name="scalar">One boolean.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>Its value; false where there are no numbers.</returns>
    public static bool Flag(Tensor scalar, [CallerMemberName] string reader = "")
    {
        RunContext.HostReads(reader);
        if (MetaOps.IsMeta(scalar))
        {
            return false;
        }

        using Scalar value = scalar.ToScalar();
        return value.ToBoolean();
    }

    /// <summary>Reads all elements at once.</summary>
    /// <typeparam name="T">Their type.</typeparam>
    /// <param name="x">Any shape.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>The elements, the last axis fastest; zeros where there are no numbers.</returns>
    public static T[] Numbers<T>(Tensor x, [CallerMemberName] string reader = "")
        where T : unmanaged
    {
        RunContext.HostReads(reader);
        if (MetaOps.IsMeta(x))
        {
            return new T[x.numel()];
        }

        using DisposeScope scope = NewDisposeScope();
        return x.detach().cpu().contiguous().data<T>().ToArray();
    }

    /// <summary>Counts the columns of each row of a mask up to the last that is used.</summary>
    /// <param name="mask">[B, L]; 0: not used.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>B numbers of 0..L; all L where there are no numbers.</returns>
    public static long[] UsedColumns(Tensor mask, [CallerMemberName] string reader = "")
    {
        int columns = (int)mask.shape[1];
        using Tensor used = mask.NotEqualTo(0);
        bool[] flags = Numbers<bool>(used, reader);
        return MetaOps.IsMeta(mask)
            ? [.. Enumerable.Repeat((long)columns, (int)mask.shape[0])]
            : [.. Enumerable.Range(0, (int)mask.shape[0]).Select(row => flags.AsSpan(row * columns, columns).LastIndexOf(true) + 1L)];
    }

    /// <summary>Copies a tensor to the CPU's memory.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>A tensor on the CPU; one that is there already shares its memory.</returns>
    public static Tensor Copy(Tensor x, [CallerMemberName] string reader = "")
    {
        RunContext.HostReads(reader);
        return x.cpu();
    }

    /// <summary>Copies tensors to the CPU's memory, those of a type in one transfer.</summary>
    /// <param name="tensors">Any shapes, all on one device.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>Copies that share no memory with the tensors nor with one another, in the caller's scope.</returns>
    public static IReadOnlyList<Tensor> Copies(IReadOnlyList<Tensor> tensors, [CallerMemberName] string reader = "")
    {
        using DisposeScope scope = NewDisposeScope();
        var copies = new Tensor[tensors.Count];
        foreach (IGrouping<ScalarType, int> alike in Enumerable.Range(0, tensors.Count).GroupBy(place => tensors[place].dtype))
        {
            long first = 0;
            Tensor all = Copy(cat([.. alike.Select(place => tensors[place].detach().flatten())]), reader);
            foreach (int place in alike)
            {
                Tensor one = tensors[place];
                copies[place] = all.narrow(0, first, one.numel()).view(one.shape).clone().MoveToOuterDisposeScope();
                first += one.numel();
            }
        }

        return copies;
    }

    /// <summary>Scales gradients so that their joint norm does not exceed a bound.</summary>
    /// <param name="parameters">What has gradients.</param>
    /// <param name="largest">The bound.</param>
    /// <param name="reader">Who reads; the calling member unless it is named.</param>
    /// <returns>The norm before.</returns>
    public static double ClipGradientNorm(IEnumerable<Parameter> parameters, double largest, [CallerMemberName] string reader = "")
    {
        RunContext.HostReads(reader);
        return nn.utils.clip_grad_norm_(parameters, largest);
    }
}
