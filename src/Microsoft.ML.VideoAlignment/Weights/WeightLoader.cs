using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Fills a module from a source with exact key sets and shapes; nothing is cast or broadcast silently (TorchSharp's load_state_dict does both).
/// </summary>
/// <remarks>All names, shapes and types are compared before the first parameter is changed.</remarks>
internal static class WeightLoader
{
    /// <summary>Copies every tensor whose name starts with a prefix into a module, whose parameters keep their strides, device and dtype.</summary>
    /// <remarks>A conversion between floating types is reported, as is one to int8 with scales (<see cref="ChannelQuantization"/>).</remarks>
    /// <param name="module">The module.</param>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names; the rest is mapped to keys.</param>
    /// <param name="map">How the rest of a name becomes a key; null: it is the key.</param>
    /// <exception cref="WeightFileException">Keys are missing or unexpected, or shapes differ: the module is unchanged. Or the disk failed in the middle, or a
    /// number does not fit float16: the module must not be used.</exception>
    public static LoadReport Load(nn.Module module, IWeightSource source, string prefix = "", KeyMap? map = null)
    {
        using DisposeScope scope = NewDisposeScope();
        var plan = new LoadPlan(module, source, prefix, map ?? KeyMap.Identity);
        LoadReport report = plan.Report;
        if (!report.Fits)
        {
            string names = prefix.Length > 0 ? $"(names that start with '{prefix}') " : "";
            throw new WeightFileException(source.Location, $"{names}does not fit {module.GetName()}. {report.Problem}");
        }

        if (plan.Steps.Any(step => step.Target.device_type == DeviceType.META))
        {
            throw new InvalidOperationException($"{module.GetName()} is on the meta device, which holds no values; build it on a device before loading.");
        }

        using IDisposable guard = no_grad();
        foreach ((string file, Tensor target, Tensor? scale) in plan.Steps)
        {
            Fill(target, scale, source, file);
        }

        return report;
    }

    /// <summary>Fills a new module, which is returned, or disposed where that fails.</summary>
    /// <typeparam name="T">The module's type.</typeparam>
    /// <param name="module">The new module.</param>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names; the rest is mapped to keys.</param>
    /// <param name="map">How the rest of a name becomes a key; null: it is the key.</param>
    /// <exception cref="WeightFileException">Keys are missing or unexpected, shapes differ, the disk failed, or a number does not fit float16.</exception>
    public static T Fill<T>(T module, IWeightSource source, string prefix = "", KeyMap? map = null)
        where T : nn.Module
    {
        try
        {
            Load(module, source, prefix, map);
            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    /// <summary>Copies every tensor whose name starts with a prefix into a module.</summary>
    /// <param name="module">The module.</param>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names; the rest is mapped to keys.</param>
    /// <param name="rename">Maps the rest of a name to a key, or to null for a tensor that is not wanted.</param>
    /// <exception cref="WeightFileException">Keys are missing or unexpected, or shapes differ: the module is unchanged. Or the disk failed in the middle, or a
    /// number does not fit float16: the module must not be used.</exception>
    public static LoadReport Load(nn.Module module, IWeightSource source, string prefix, Func<string, string?> rename) =>
        Load(module, source, prefix, new KeyMap { Rename = rename });

    /// <summary>Compares names, shapes and types without reading a value. The module may be on the meta device.</summary>
    /// <param name="module">The module.</param>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names; the rest is mapped to keys.</param>
    /// <param name="map">How the rest of a name becomes a key; null: it is the key.</param>
    public static LoadReport Compare(nn.Module module, IWeightSource source, string prefix = "", KeyMap? map = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return new LoadPlan(module, source, prefix, map ?? KeyMap.Identity).Report;
    }

    // Fills the first axis row by row, as many rows at a time as the source passes.
    private static void Fill(Tensor target, Tensor? scale, IWeightSource source, string file)
    {
        using DisposeScope step = NewDisposeScope();
        Tensor rows = target.ndim == 0 ? target.unsqueeze(0) : target;
        if (rows.numel() == 0)
        {
            return;
        }

        // Of numbers that float16 would make infinite; what is infinite in the file stays so.
        bool narrows = target.dtype == ScalarType.Float16 && source.Entries[file].Dtype != ScalarType.Float16;
        double largest = 0;
        long unit = rows.numel() / rows.shape[0], at = 0;
        source.ReadInPieces(file, unit, piece =>
        {
            using DisposeScope part = NewDisposeScope();
            long count = piece.numel() / unit;
            Tensor read = piece.view([count, .. rows.shape[1..]]);
            if (scale is not null)
            {
                (read, Tensor steps) = ChannelQuantization.Quantize(read);
                scale.narrow(0, at, count).copy_(steps);
            }

            largest = narrows ? Math.Max(largest, FindLargest(read)) : largest;
            rows.narrow(0, at, count).copy_(read);
            at += count;
        });
        RequireFloat16(largest, source, file);
    }

    private static double FindLargest(Tensor x)
    {
        Tensor sizes = x.abs();
        double largest = HostRead.Number(sizes.max());
        return double.IsFinite(largest) ? largest : HostRead.Number(sizes.MaskedFill(sizes.isfinite().logical_not(), 0).max());
    }

    // float16 rounds what is less than half a step beyond its largest number, 65504, down to it.
    private static void RequireFloat16(double largest, IWeightSource source, string file)
    {
        if (largest >= 65520)
        {
            throw new WeightFileException(source.Location, string.Create(
                CultureInfo.InvariantCulture,
                $"tensor '{file}' holds a number of size {largest:g9}, and float16 none beyond 65504: it would be infinite. Load the weights as ")
                + $"{nameof(WeightPrecision)}.{nameof(WeightPrecision.BFloat16)}, whose range is that of float32, or as {nameof(WeightPrecision.Float32)}.");
        }
    }
}
