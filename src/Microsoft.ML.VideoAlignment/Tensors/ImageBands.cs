namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Computes a function of images band by band in both passes: a few rows of pixels at a time, with as many around them as the function looks at. Only the
/// images are kept for the backward pass, and the function's own tensors are those of one band.
/// </summary>
/// <remarks>
/// The result is that of whole images where the halo is as wide as the function's receptive field. A convolution inside pads a band as it pads an image; what
/// that makes of the halo's outer rows is cut off. What spans an image, the statistics of group norms, is measured first, band by band too, and its gradient
/// reaches all bands.
/// </remarks>
/// <param name="together">Images that the function sees together: 1, or the frames of a video.</param>
/// <param name="halo">Rows of pixels that the function looks at, on each side.</param>
internal sealed class ImageBands(long together, long halo)
{
    /// <summary>Bytes of a band of the images where nothing else is said: large enough to keep a GPU busy.</summary>
    public const long DefaultBytes = 1 << 25;

    /// <summary>Whether images are computed in bands in this flow of execution: it asks for it, and they are larger than one.</summary>
    /// <param name="images">[N, C, H, W].</param>
    public static bool Suits(Tensor images) => Recompute.TileBytes is { } bytes && images.numel() * images.element_size() > bytes;

    /// <summary>Computes images from images.</summary>
    /// <param name="images">[N, C, H, W], groups of images adjacent.</param>
    /// <param name="function">
    /// From rows [together, C, h, W] and the moments [1, G, 2] of each statistic to images of h rows, or of a multiple of h.
    /// </param>
    /// <param name="statistics">What is measured before, in order.</param>
    /// <returns>[N', C', H', W'].</returns>
    public Tensor Map(Tensor images, Func<IReadOnlyList<Tensor>, Tensor> function, params GroupStatistic[] statistics)
    {
        var operation = new Operation(function, statistics, CreateBands(images));
        return is_grad_enabled() ? CustomFunction.Run(operation, images) : operation.Forward([images], []);
    }

    private List<Band> CreateBands(Tensor images)
    {
        long height = images.shape[2], rowBytes = together * (images.numel() / images.shape[0] / height) * images.element_size();
        long rows = Math.Clamp((Recompute.TileBytes ?? long.MaxValue) / rowBytes, 1, height);
        var bands = new List<Band>();
        for (long image = 0; image < images.shape[0]; image += together)
        {
            for (long first = 0; first < height; first += rows)
            {
                long count = Math.Min(rows, height - first), above = Math.Min(halo, first), below = Math.Min(halo, height - first - count);
                bands.Add(new Band(image / together, together, first, count, above, below, first / rows));
            }
        }

        return bands;
    }

    /// <summary>Rows of pixels of a group of images.</summary>
    /// <param name="Group">The group's index.</param>
    /// <param name="Together">Images of a group.</param>
    /// <param name="First">The band's first row.</param>
    /// <param name="Count">Its rows.</param>
    /// <param name="Above">Rows of the halo before it; fewer at the image's border.</param>
    /// <param name="Below">Rows of the halo after it.</param>
    /// <param name="Index">Its place among the group's bands.</param>
    private sealed record Band(long Group, long Together, long First, long Count, long Above, long Below, long Index)
    {
        // The images' rows with their halo, or the moments of the group.
        public Tensor Part(Tensor given, int index) => index > 0 ? given.narrow(0, Group, 1)
            : given.narrow(0, Group * Together, Together).narrow(2, First - Above, Above + Count + Below);

        // What a function made of the band's own rows; without a halo it may have made something else than images.
        public Tensor Cut(Tensor made)
        {
            long factor = made.shape[2] / (Above + Count + Below);
            return Above + Below == 0 ? made : made.narrow(2, Above * factor, Count * factor);
        }
    }

    /// <summary>What is computed of each band, and where it lies in the whole.</summary>
    /// <param name="function">Of the band with its halo, and of moments.</param>
    /// <param name="groups">Groups of channels where moments are made of the function's result; 0: the result itself is taken.</param>
    private sealed class Pass(Func<IReadOnlyList<Tensor>, Tensor> function, long groups)
    {
        // Images, or moments [1, 1, G, 2].
        public Tensor Compute(Band band, IReadOnlyList<Tensor> parts)
        {
            Tensor cut = band.Cut(function(parts));
            return groups > 0 ? GroupMoments.Measure(cut, groups).unsqueeze(1) : cut;
        }

        // Images [N', C', H', W'], or moments [N', bands, G, 2].
        public Tensor Allocate(Band band, Tensor made, IReadOnlyList<Band> bands)
        {
            int each = bands.Count(other => other.Group == 0);
            long height = bands.Where(other => other.Group == 0).Sum(other => other.Count), images = made.shape[0] * (bands.Count / each);
            (ScalarType type, Device device) = (made.dtype, made.device);
            return groups > 0 ? empty(images, each, made.shape[2], made.shape[3], dtype: type, device: device)
                : MemoryLayout.Empty([images, made.shape[1], made.shape[2] / band.Count * height, made.shape[3]], made);
        }

        // Where a band's result lies in the whole.
        public Tensor Place(Band band, Tensor made, Tensor whole)
        {
            (int axis, long first) = groups > 0 ? (1, band.Index) : (2, made.shape[2] / band.Count * band.First);
            return whole.narrow(0, band.Group * made.shape[0], made.shape[0]).narrow(axis, first, made.shape[axis]);
        }
    }

    private sealed class Operation(Func<IReadOnlyList<Tensor>, Tensor> function, IReadOnlyList<GroupStatistic> statistics, IReadOnlyList<Band> bands)
        : DifferentiableOperation
    {
        private readonly Pass _map = new(function, groups: 0);
        private readonly Pass[] _measures = [.. statistics.Select(statistic => new Pass(statistic.Function, statistic.Groups))];

        public override string Name => nameof(ImageBands);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            using DisposeScope scope = NewDisposeScope();
            List<Tensor> given = [inputs[0]];
            saved.Add(inputs[0]);
            foreach (Pass measure in _measures)
            {
                Tensor parts = Run(measure, given);
                saved.Add(parts.MoveToOuterDisposeScope());
                given.Add(Merge(parts));
            }

            return Run(_map, given).MoveToOuterDisposeScope();
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Tensor[] given = [call.Saved[0], .. call.Saved.Skip(1).Select(Merge)], gradients = [.. given.Select(tensor => zeros_like(tensor))];
            Differentiate(_map, given, gradients, call.Gradient);
            for (int index = _measures.Length; index > 0; index--)
            {
                Tensor parts = call.Saved[index].detach().requires_grad_(true), slope = gradients[index];
                Recompute.BackwardAgain(() => Merge(parts), _ => slope);
                Differentiate(_measures[index - 1], given[..index], gradients, parts.grad!);
            }

            return [call.Required[0] ? gradients[0] : null];
        }

        // [N / together, bands, G, 2] -> [N / together, G, 2].
        private Tensor Merge(Tensor parts)
        {
            long[] rows = [.. bands.Where(band => band.Group == 0).Select(band => band.Count)];
            return GroupMoments.Merge(parts, [.. rows.Select(count => count / (double)rows.Sum())]);
        }

        private Tensor Run(Pass pass, IReadOnlyList<Tensor> given)
        {
            Tensor? whole = null;
            foreach (Band band in bands)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor made = pass.Compute(band, [.. given.Select(band.Part)]);
                whole ??= pass.Allocate(band, made, bands).MoveToOuterDisposeScope();
                pass.Place(band, made, whole).copy_(made);
                RunContext.OpDone(made, [whole]);
            }

            return whole!;
        }

        // Adds to the gradients of what was given.
        private void Differentiate(Pass pass, Tensor[] given, Tensor[] gradients, Tensor gradient)
        {
            foreach (Band band in bands)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor[] parts = [.. given.Select((tensor, index) => band.Part(tensor, index).detach().requires_grad_(true))];
                Recompute.BackwardAgain(() => pass.Compute(band, parts), made => pass.Place(band, made, gradient));
                for (int index = 0; index < parts.Length; index++)
                {
                    if (parts[index].grad is { } part)
                    {
                        band.Part(gradients[index], index).AddInPlace(part);
                    }
                }
            }
        }
    }
}

/// <summary>A group norm's statistics that <see cref="ImageBands"/> measures before it computes images.</summary>
/// <param name="Function">
/// From rows of images and the moments of the statistics before to what the norm sees; where there is no halo that may be one video [1, C, ...].
/// </param>
/// <param name="Groups">Groups of the norm's channels.</param>
internal sealed record GroupStatistic(Func<IReadOnlyList<Tensor>, Tensor> Function, long Groups);
